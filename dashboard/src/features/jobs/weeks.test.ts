import { expect, it } from "vitest";
import { weeks } from "./weeks";

const usage = { requests: 1, input_tokens: 0, output_tokens: 0, cost_usd: 0.25, log_bytes: 0, agent_seconds: 0 };

it("counts how jobs ended and what they cost by week, with empty weeks between", () => {
  const found = weeks(
    [
      { status: "success", created_at: "2026-11-02T00:00:00Z", usage },
      { status: "failed", created_at: "2026-11-08T23:59:59Z", usage },
      { status: "needs_review", created_at: "2026-11-16T00:00:00Z", usage: null },
    ],
    "2026-11-25T12:00:00Z",
  );
  expect(found).toHaveLength(12);
  expect(found.slice(-4)).toEqual([
    { week: "2026-11-02", success: 1, failed: 1, other: 0, cost: 0.5 },
    { week: "2026-11-09", success: 0, failed: 0, other: 0, cost: 0 },
    { week: "2026-11-16", success: 0, failed: 0, other: 1, cost: 0 },
    { week: "2026-11-23", success: 0, failed: 0, other: 0, cost: 0 },
  ]);
});

it("is empty without jobs", () => {
  expect(weeks([])).toEqual([]);
});
