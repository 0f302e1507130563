import type { ClusterDetail } from "@/api/types";

export interface Neighbour {
  readonly id: string;
  readonly title: string;
  readonly score: number;
  readonly why: string;
  readonly proposed: boolean;
}

/** Clusters that evidence says are near: proposed merges, and the second-best places of this cluster's reports. */
export function neighbours(
  cluster: Pick<ClusterDetail, "id" | "proposals" | "feedback_items">,
  most = 12,
): Neighbour[] {
  const found = new Map<string, Neighbour>();
  const add = (one: Neighbour): void => {
    const known = found.get(one.id);
    if (one.id !== cluster.id && (!known || known.score < one.score)) {
      found.set(one.id, { ...one, proposed: one.proposed || (known?.proposed ?? false) });
    }
  };
  for (const item of cluster.feedback_items) {
    for (const near of item.suggestions) {
      add({
        id: near.cluster_id,
        title: near.title,
        score: near.score,
        why: near.reasons[0]?.detail ?? "",
        proposed: false,
      });
    }
  }
  for (const proposal of cluster.proposals) {
    if (proposal.kind === "split") continue;
    const other = proposal.other === cluster.id ? proposal.into : proposal.other;
    add({
      id: other,
      title: proposal.other_title,
      score: proposal.score,
      why: proposal.reasons[0]?.detail ?? "",
      proposed: true,
    });
  }
  return [...found.values()].sort((a, b) => b.score - a.score).slice(0, most);
}

export interface Placed extends Neighbour {
  readonly x: number;
  readonly y: number;
}

/** Places around the middle: the nearer the more alike; the angle only spreads them. Units of the radius, -1..1. */
export function placed(near: readonly Neighbour[]): Placed[] {
  return near.map((one, index) => {
    const angle = (index / Math.max(near.length, 1)) * 2 * Math.PI - Math.PI / 2;
    const away = 0.3 + 0.7 * (1 - Math.max(0, Math.min(1, one.score)));
    return { ...one, x: Math.cos(angle) * away, y: Math.sin(angle) * away };
  });
}
