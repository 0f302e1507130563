import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { call } from "@/lib/http";
import { Problem } from "@/lib/problem";
import type * as types from "./types";

interface Items<T> {
  items: T[];
}

/** Null instead of a thrown 404: "there is none yet" is a state, not an error. */
async function orNull<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

const items = async <T>(path: string, params?: Record<string, string | number>): Promise<T[]> =>
  (await call<Items<T>>("GET", path, params ? { params } : {})).items;

export const clusters = () =>
  queryOptions({ queryKey: ["clusters"], queryFn: () => call<types.Cluster[]>("GET", "/clusters") });
export const cluster = (id: string) =>
  queryOptions({
    queryKey: ["cluster", id],
    queryFn: () => call<types.ClusterDetail>("GET", `/clusters/${id}`, { params: { limit: 500 } }),
    placeholderData: keepPreviousData,
  });
export const feedback = (id: string) =>
  queryOptions({ queryKey: ["feedback", id], queryFn: () => call<types.Feedback>("GET", `/feedback/${id}`) });
export const history = (id: string) =>
  queryOptions({
    queryKey: ["cluster", id, "history"],
    queryFn: () => items<types.HistoryEntry>(`/clusters/${id}/history`, { limit: 100 }),
  });
export const proposals = () =>
  queryOptions({
    queryKey: ["clusters", "proposals"],
    queryFn: () => items<types.Proposal>("/proposals", { limit: 20 }),
  });
export const search = (q: string) =>
  queryOptions({
    queryKey: ["search", q],
    queryFn: () => call<types.SearchResult>("GET", "/search", { params: { q, limit: 50 } }),
    enabled: q.trim() !== "",
    placeholderData: keepPreviousData,
  });
export const plan = (id: string) =>
  queryOptions({
    queryKey: ["plan", id],
    queryFn: () => orNull(call<types.Plan>("GET", `/clusters/${id}/plan`)),
  });
export const planVersions = (id: string) =>
  queryOptions({
    queryKey: ["plan", id, "versions"],
    queryFn: async () => (await orNull(items<types.Plan>(`/clusters/${id}/plan/versions`))) ?? [],
  });
export const clusterJobs = (id: string) =>
  queryOptions({
    queryKey: ["jobs", "cluster", id],
    queryFn: () => call<types.Job[]>("GET", `/clusters/${id}/jobs`),
  });
export const jobs = () =>
  queryOptions({
    queryKey: ["jobs"],
    queryFn: () => call<types.Job[]>("GET", "/jobs", { params: { limit: 500 } }),
  });
export const job = (id: string) =>
  queryOptions({ queryKey: ["job", id], queryFn: () => call<types.Job>("GET", `/jobs/${id}`) });
export const patch = (id: string) =>
  queryOptions({
    queryKey: ["job", id, "patch"],
    queryFn: () => orNull(call<string>("GET", `/jobs/${id}/patch`)),
  });
export const report = (id: string) =>
  queryOptions({
    queryKey: ["job", id, "report"],
    queryFn: () => orNull(call<types.Report>("GET", `/jobs/${id}/report`)),
  });
export const runners = () =>
  queryOptions({
    queryKey: ["runners"],
    queryFn: () => items<types.Runner>("/runners"),
    refetchInterval: 10_000,
  });
export const deadLetters = () =>
  queryOptions({
    queryKey: ["dead"],
    queryFn: () => items<types.DeadLetter>("/dead-letters", { limit: 200 }),
    refetchInterval: 15_000,
  });
export const stats = () =>
  queryOptions({ queryKey: ["stats"], queryFn: () => call<types.Stats>("GET", "/stats"), refetchInterval: 10_000 });
export const clustering = () =>
  queryOptions({
    queryKey: ["clustering"],
    queryFn: () => call<types.ClusteringStatus>("GET", "/clustering/status"),
    refetchInterval: 10_000,
  });
export const projects = () =>
  queryOptions({
    queryKey: ["projects"],
    queryFn: async () => (await call<{ projects: types.Project[] }>("GET", "/projects")).projects,
  });
export const keys = () => queryOptions({ queryKey: ["keys"], queryFn: () => items<types.ApiKey>("/keys") });
export const members = (project: string) =>
  queryOptions({
    queryKey: ["members", project],
    queryFn: () => call<{ items: types.Member[]; sign_in: string[] }>("GET", `/projects/${project}/access`),
  });
export const source = (name: string) =>
  queryOptions({
    queryKey: ["source", name],
    queryFn: () => call<types.SourceSettings>("GET", `/config/${name}`),
  });
export const sourceEnabled = (name: string) =>
  queryOptions({
    queryKey: ["source", name, "enabled"],
    queryFn: async () => (await call<{ enabled: boolean }>("GET", `/config/${name}/enabled`)).enabled,
  });
export const polls = () =>
  queryOptions({
    queryKey: ["polls"],
    queryFn: () => items<types.Polled>("/polls"),
    refetchInterval: 10_000,
  });
export const subreddits = () =>
  queryOptions({
    queryKey: ["source", "reddit", "subreddits"],
    queryFn: async () => (await call<{ subreddits: string[] }>("GET", "/config/reddit/subreddits")).subreddits,
  });

export interface Readiness {
  readonly ok: boolean;
  readonly checks: Record<string, string>;
}
/** Read without the session and whatever the status: it must tell what is wrong when much is wrong. */
export const readiness = () =>
  queryOptions({
    queryKey: ["readyz"],
    refetchInterval: 5000,
    retry: false,
    queryFn: async (): Promise<Readiness> => {
      const response = await fetch("/readyz");
      const body = (await response.json().catch(() => ({}))) as { checks?: Record<string, string>; detail?: string };
      return { ok: response.ok, checks: body.checks ?? (body.detail ? { gateway: body.detail } : {}) };
    },
  });
