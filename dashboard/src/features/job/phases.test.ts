import { expect, it } from "vitest";
import type { JobEvent } from "@/api/types";
import { lastPhase, phaseSeconds, stretches } from "./phases";

const start = Date.parse("2026-11-20T10:00:00Z");
const event = (n: number, phase: string, seconds: number, attempt = 1): JobEvent => ({
  n,
  phase,
  attempt,
  job_id: "j",
  cluster_id: "c",
  status: "running",
  runner: "r",
  pr_url: null,
  failure: null,
  usage: { requests: 0, input_tokens: 0, output_tokens: 0, cost_usd: 0, log_bytes: 0, agent_seconds: 0 },
  message: "",
  at: new Date(start + seconds * 1000).toISOString(),
});
const created = new Date(start).toISOString();

it("counts from the request to each change of phase, and the running one until now", () => {
  const all = stretches([event(1, "provisioning", 3), event(2, "agent", 10)], created, start + 70_000);
  expect(phaseSeconds(all, 1)).toEqual(
    new Map([
      ["queued", 3],
      ["provisioning", 7],
      ["agent", 60],
    ]),
  );
});

it("does not mix what another attempt took into the newest one", () => {
  const events = [
    event(1, "agent", 0, 1),
    event(2, "queued", 50, 1),
    event(3, "agent", 60, 2),
    event(4, "done", 75, 2),
  ];
  expect(phaseSeconds(stretches(events, created, start + 999_000), 2).get("agent")).toBe(15);
});

it("says where an ended job stopped", () => {
  expect(lastPhase([event(1, "agent", 1), event(2, "verifying", 2), event(3, "done", 3)], { phase: "done" })).toBe(
    "verifying",
  );
  expect(lastPhase([], { phase: "agent" })).toBe("agent");
});
