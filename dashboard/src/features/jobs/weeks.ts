import type { Job } from "@/api/types";
import { weekOf } from "@/lib/time";

export interface Week {
  readonly week: string;
  success: number;
  failed: number;
  other: number;
  cost: number;
}

type Counted = Pick<Job, "status" | "created_at" | "usage">;

/** Jobs by the week they were asked for in, oldest first; weeks without any are in between. */
export function weeks(jobs: readonly Counted[]): Week[] {
  const found = new Map<string, Week>();
  for (const job of jobs) {
    const week = weekOf(job.created_at);
    const held = found.get(week) ?? { week, success: 0, failed: 0, other: 0, cost: 0 };
    if (job.status === "success") held.success += 1;
    else if (job.status === "failed") held.failed += 1;
    else held.other += 1;
    held.cost += job.usage?.cost_usd ?? 0;
    found.set(week, held);
  }
  const first = [...found.keys()].sort()[0];
  const last = [...found.keys()].sort().at(-1);
  if (!first || !last) return [];
  const all: Week[] = [];
  for (let at = Date.parse(first); at <= Date.parse(last); at += 7 * 86_400_000) {
    const week = new Date(at).toISOString().slice(0, 10);
    all.push(found.get(week) ?? { week, success: 0, failed: 0, other: 0, cost: 0 });
  }
  return all.slice(-12);
}
