import type { Job, JobEvent } from "@/api/types";

export const PHASES: readonly [phase: string, label: string][] = [
  ["queued", "Queued"],
  ["planning", "Plan"],
  ["provisioning", "Sandbox"],
  ["checkout", "Checkout"],
  ["agent", "Agent"],
  ["verifying", "Verify"],
  ["gating", "Gate"],
  ["publishing", "Publish"],
];

/** A phase as people read it. */
export function phaseLabel(phase: string): string {
  return phase === "done" ? "End" : (PHASES.find(([name]) => name === phase)?.[1] ?? phase);
}

export interface Stretch {
  readonly phase: string;
  readonly attempt: number;
  readonly from: number;
  readonly to: number;
}

/** When the job was in which phase, in milliseconds since 1970; the running phase ends `now`. */
export function stretches(events: readonly JobEvent[], createdAt: string, now: number): Stretch[] {
  const found: { phase: string; attempt: number; from: number; to: number }[] = [];
  let phase = "queued";
  let attempt = 0;
  let from = Date.parse(createdAt);
  for (const event of events) {
    const at = Date.parse(event.at);
    if (event.phase === phase && event.attempt === attempt) continue;
    if (at > from) found.push({ phase, attempt, from, to: at });
    phase = event.phase;
    attempt = event.attempt;
    from = at;
  }
  if (phase !== "done" && now > from) found.push({ phase, attempt, from, to: now });
  return found;
}

/** Seconds in each phase of an attempt; waiting before the first attempt counts as its own. */
export function phaseSeconds(all: readonly Stretch[], attempt: number): Map<string, number> {
  const took = new Map<string, number>();
  for (const one of all) {
    if (one.attempt !== attempt && one.attempt !== 0) continue;
    took.set(one.phase, (took.get(one.phase) ?? 0) + (one.to - one.from) / 1000);
  }
  return took;
}

/** The phase that the job is in, or the last one it was in before it ended. */
export function lastPhase(events: readonly JobEvent[], job: Pick<Job, "phase">): string {
  if (job.phase !== "done") return job.phase;
  return events.findLast((event) => event.phase !== "done")?.phase ?? "queued";
}
