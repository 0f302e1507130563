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

/** Weeks that are shown. */
export const WEEKS = 12;

/** Jobs by the week they were asked for in, oldest first; the last is this week. */
export function weeks(jobs: readonly Counted[], now: string = new Date().toISOString()): Week[] {
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
  const last = [weekOf(now), ...found.keys()].sort().at(-1);
  if (!last || found.size === 0) return [];
  return Array.from({ length: WEEKS }, (_, index) => {
    const week = new Date(Date.parse(last) - (WEEKS - 1 - index) * 7 * 86_400_000).toISOString().slice(0, 10);
    return found.get(week) ?? { week, success: 0, failed: 0, other: 0, cost: 0 };
  });
}
