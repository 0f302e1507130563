import type { Project } from "@/api/types";

/** A project as the fields a person edits, each as text; empty: the default, or no limit. */
export interface Fields {
  readonly name: string;
  readonly repo: string;
  readonly runner: string;
  readonly fork: string;
  readonly concurrency: string;
  readonly followUps: string;
  readonly usdDay: string;
  readonly usdMonth: string;
}

const text = (value: unknown): string => (typeof value === "number" || typeof value === "string" ? String(value) : "");
const number = (value: string): number | null => (value.trim() === "" ? null : Number(value));

export function fieldsOf(project: Project): Fields {
  return {
    name: project.name,
    repo: text(project.default_repo_url),
    runner: text(project.runner),
    fork: text(project.fork),
    concurrency: text(project.concurrency),
    followUps: text(project.follow_ups),
    usdDay: text(project.budget?.["usd_day"]),
    usdMonth: text(project.budget?.["usd_month"]),
  };
}

/** What a PATCH carries. A budget is replaced as a whole, so its limits in tokens go along as they are. */
export function bodyOf(project: Project, fields: Fields): Record<string, unknown> {
  const budget = {
    tokens_day: project.budget?.["tokens_day"] ?? null,
    tokens_month: project.budget?.["tokens_month"] ?? null,
    usd_day: number(fields.usdDay),
    usd_month: number(fields.usdMonth),
  };
  return {
    name: fields.name,
    default_repo_url: fields.repo || null,
    runner: fields.runner || null,
    fork: fields.fork || null,
    concurrency: number(fields.concurrency),
    follow_ups: number(fields.followUps),
    budget: Object.values(budget).some((one) => one !== null) ? budget : null,
  };
}
