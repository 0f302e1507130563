import type { Cluster } from "@/api/types";

export const VIEWS = { open: "Open", fixing: "Being fixed", done: "Done", dismissed: "Dismissed", all: "All" } as const;
export type View = keyof typeof VIEWS;

const WEIGHT: Record<string, number> = { critical: 4, high: 3, medium: 2, low: 1 };
const GROUPS: Record<View, readonly string[]> = {
  open: ["new", "failed", "fixing", "pr_opened"], fixing: ["fixing"], done: ["pr_opened", "resolved"], dismissed: ["dismissed"],
  all: ["new", "failed", "fixing", "pr_opened", "resolved", "dismissed"],
};

/** Whether a cluster belongs to the view and holds the text. Snoozed clusters show up only under "all". */
export function matches(cluster: Cluster, view: View, find: string): boolean {
  if (cluster.merged_into) return false;
  if (!(GROUPS[view] ?? GROUPS.open).includes(cluster.status)) return false;
  if (view === "open" && cluster.snoozed_until !== null && cluster.count < cluster.snoozed_until) return false;
  const text = `${cluster.title} ${cluster.summary} ${cluster.id}`.toLowerCase();
  return find.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** Severity x reach x recency: each day without a new report costs 15 %; a regression counts double. */
export function rank(clusters: readonly Cluster[], now: number = Date.now()): Cluster[] {
  const score = (cluster: Cluster): number => {
    const days = cluster.last_seen ? Math.max(0, (now - Date.parse(cluster.last_seen)) / 86_400_000) : 30;
    const reach = Math.log2(1 + cluster.count + 2 * cluster.users_affected);
    return (WEIGHT[cluster.severity] ?? 2) * reach * 0.85 ** Math.min(days, 60) * (cluster.regressed_at ? 2 : 1);
  };
  return [...clusters].sort((a, b) => score(b) - score(a) || b.count - a.count || a.id.localeCompare(b.id));
}
