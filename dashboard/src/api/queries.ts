import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { call } from "@/lib/http";
import { Problem } from "@/lib/problem";
import type { Cluster, ClusterDetail, DeadLetter, HistoryEntry, Job, Plan, Report, Runner, Stats } from "./types";

const items = <T>(answer: T[] | { items: T[] }): T[] => (Array.isArray(answer) ? answer : answer.items);

/** Null instead of a thrown 404: "there is none yet" is a state, not an error. */
async function orNull<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

export const clusters = () => queryOptions({ queryKey: ["clusters"], queryFn: () => call<Cluster[]>("GET", "/clusters") });
export const cluster = (id: string) => queryOptions({
  queryKey: ["cluster", id],
  queryFn: () => call<ClusterDetail>("GET", `/clusters/${id}`),
  placeholderData: keepPreviousData,
});
export const history = (id: string) => queryOptions({
  queryKey: ["cluster", id, "history"],
  queryFn: async () => items(await call<{ items: HistoryEntry[] }>("GET", `/clusters/${id}/history`)),
});
export const plan = (id: string) => queryOptions({
  queryKey: ["plan", id], queryFn: () => orNull(call<Plan>("GET", `/clusters/${id}/plan`)),
});
export const planVersions = (id: string) => queryOptions({
  queryKey: ["plan", id, "versions"],
  queryFn: async () => items(await call<{ items: Plan[] }>("GET", `/clusters/${id}/plan/versions`)),
});
export const clusterJobs = (id: string) => queryOptions({
  queryKey: ["jobs", "cluster", id], queryFn: async () => items(await call<Job[] | { items: Job[] }>("GET", `/clusters/${id}/jobs`)),
});
export const jobs = () => queryOptions({
  queryKey: ["jobs"], queryFn: async () => items(await call<Job[] | { items: Job[] }>("GET", "/jobs", { params: { limit: 200 } })),
});
export const job = (id: string) => queryOptions({ queryKey: ["job", id], queryFn: () => call<Job>("GET", `/jobs/${id}`) });
export const patch = (id: string) => queryOptions({
  queryKey: ["job", id, "patch"], queryFn: () => orNull(call<string>("GET", `/jobs/${id}/patch`)),
});
export const report = (id: string) => queryOptions({
  queryKey: ["job", id, "report"], queryFn: () => orNull(call<Report>("GET", `/jobs/${id}/report`)),
});
export const runners = () => queryOptions({
  queryKey: ["runners"], queryFn: async () => items(await call<Runner[] | { items: Runner[] }>("GET", "/runners")), refetchInterval: 10_000,
});
export const deadLetters = () => queryOptions({
  queryKey: ["dead"], queryFn: async () => items(await call<DeadLetter[] | { items: DeadLetter[] }>("GET", "/dead-letters")),
});
export const stats = () => queryOptions({ queryKey: ["stats"], queryFn: () => call<Stats>("GET", "/stats") });
