import { describe, expect, it } from "vitest";
import { matches, rank, type Ranked } from "./ranking";

const now = Date.parse("2026-11-23T12:00:00Z");
const cluster = (id: string, values: Partial<Ranked> = {}): Ranked => ({
  id,
  title: "Checkout fails",
  summary: "",
  count: 3,
  status: "new",
  severity: "medium",
  users_affected: 0,
  last_seen: "2026-11-23T11:00:00Z",
  regressed_at: null,
  snoozed_until: null,
  merged_into: null,
  ...values,
});
const order = (...clusters: Ranked[]): string[] => rank(clusters, now).map((one) => one.id);

describe("the ranking", () => {
  it("puts the severe before the many, the many before the few, and the new before the old", () => {
    expect(order(cluster("few", { count: 1 }), cluster("many", { count: 60 }))).toEqual(["many", "few"]);
    expect(order(cluster("mild", { severity: "low" }), cluster("bad", { severity: "critical" }))).toEqual([
      "bad",
      "mild",
    ]);
    expect(order(cluster("old", { last_seen: "2026-10-01T00:00:00Z" }), cluster("new"))).toEqual(["new", "old"]);
  });

  it("counts a regression double", () => {
    expect(order(cluster("a"), cluster("b", { regressed_at: "2026-11-23T10:00:00Z" }))).toEqual(["b", "a"]);
  });

  it("gives equals a fixed order", () => {
    expect(order(cluster("b"), cluster("a"), cluster("c"))).toEqual(["a", "b", "c"]);
  });
});

describe("the views", () => {
  it("hide what was merged away, and what sleeps until more came", () => {
    expect(matches(cluster("a", { merged_into: "b" }), "all", "")).toBe(false);
    expect(matches(cluster("a", { snoozed_until: 10 }), "open", "")).toBe(false);
    expect(matches(cluster("a", { snoozed_until: 10 }), "snoozed", "")).toBe(true);
    expect(matches(cluster("a", { snoozed_until: 3 }), "open", "")).toBe(true);
  });

  it("hold clusters that have all the words", () => {
    expect(matches(cluster("a"), "open", "FAILS check")).toBe(true);
    expect(matches(cluster("a"), "open", "fails login")).toBe(false);
  });
});
