import type { Cluster } from "@/api/types";

export const VIEWS = {
  open: "Open",
  fixing: "Being fixed",
  done: "Done",
  snoozed: "Snoozed",
  dismissed: "Dismissed",
  all: "All",
} as const;
export type View = keyof typeof VIEWS;
export type Ranked = Pick<
  Cluster,
  | "id"
  | "title"
  | "summary"
  | "count"
  | "status"
  | "severity"
  | "users_affected"
  | "last_seen"
  | "regressed_at"
  | "snoozed_until"
  | "merged_into"
>;

const WEIGHT: Record<string, number> = { critical: 4, high: 3, medium: 2, low: 1 };
const GROUPS: Record<View, readonly string[]> = {
  open: ["new", "failed", "fixing", "pr_opened"],
  fixing: ["fixing"],
  done: ["pr_opened", "resolved"],
  snoozed: ["new", "failed"],
  dismissed: ["dismissed"],
  all: ["new", "failed", "fixing", "pr_opened", "resolved", "dismissed"],
};

function asleep(cluster: Ranked): boolean {
  return cluster.snoozed_until !== null && cluster.count < cluster.snoozed_until;
}

/** Whether a cluster belongs to the view and holds the words. What is snoozed is not open. */
export function matches(cluster: Ranked, view: View, find: string): boolean {
  if (cluster.merged_into ?? cluster.count === 0) return false;
  if (!GROUPS[view].includes(cluster.status)) return false;
  if (view === "open" && asleep(cluster)) return false;
  if (view === "snoozed" && !asleep(cluster)) return false;
  const text = `${cluster.title} ${cluster.summary} ${cluster.id}`.toLowerCase();
  return find
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** Severity x reach x recency: each day without a new report costs 15 %; a regression counts double. */
export function rank<T extends Ranked>(clusters: readonly T[], now: number = Date.now()): T[] {
  const score = (cluster: T): number => {
    const days = cluster.last_seen ? Math.max(0, (now - Date.parse(cluster.last_seen)) / 86_400_000) : 30;
    const reach = Math.log2(1 + cluster.count + 2 * cluster.users_affected);
    return (WEIGHT[cluster.severity] ?? 2) * reach * 0.85 ** Math.min(days, 60) * (cluster.regressed_at ? 2 : 1);
  };
  const scored = clusters.map((cluster) => ({ cluster, score: score(cluster) }));
  scored.sort(
    (a, b) => b.score - a.score || b.cluster.count - a.cluster.count || a.cluster.id.localeCompare(b.cluster.id),
  );
  return scored.map(({ cluster }) => cluster);
}
