import { expect, it } from "vitest";
import type { Feedback, Proposal } from "@/api/types";
import { neighbours, placed } from "./neighbours";

const near = (cluster_id: string, score: number) => ({
  cluster_id,
  title: cluster_id,
  item_id: "i",
  score,
  reasons: [],
});
const cluster = {
  id: "me",
  feedback_items: [
    { suggestions: [near("a", 0.4), near("me", 0.9)] },
    { suggestions: [near("a", 0.7), near("b", 0.5)] },
  ] as unknown as Feedback[],
  proposals: [
    {
      id: "p",
      kind: "merge",
      into: "me",
      other: "b",
      other_title: "B",
      score: 0.8,
      reasons: [],
      groups: [],
      created_at: "",
    },
  ] as Proposal[],
};

it("keeps the best score of each neighbour, most alike first, never the cluster itself", () => {
  expect(neighbours(cluster).map((one) => [one.id, one.score, one.proposed])).toEqual([
    ["b", 0.8, true],
    ["a", 0.7, false],
  ]);
});

it("puts what is more alike nearer to the middle", () => {
  const [b, a] = placed(neighbours(cluster)).map((one) => Math.hypot(one.x, one.y));
  expect(b).toBeLessThan(a ?? 0);
});
