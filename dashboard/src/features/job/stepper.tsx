import type { Job, JobEvent } from "@/api/types";
import { duration } from "@/lib/time";
import "./stepper.css";

const STEPS: readonly [phase: string, label: string][] = [
  ["queued", "Queued"], ["planning", "Plan"], ["provisioning", "Sandbox"], ["checkout", "Checkout"], ["agent", "Agent"],
  ["verifying", "Verify"], ["gating", "Gate"], ["publishing", "Publish"],
];

/** Where the job is, and how long each phase of the newest attempt took. */
export function Stepper({ job, events }: { readonly job: Job; readonly events: readonly JobEvent[] }) {
  const over = ["success", "failed", "cancelled", "needs_review"].includes(job.status);
  const took = phaseSeconds(events, job.attempt);
  const reached = job.status === "success" ? STEPS.length : STEPS.findIndex(([phase]) => phase === lastPhase(events, job));
  return (
    <ol className="stepper" aria-label="Progress">
      {STEPS.map(([phase, label], index) => {
        const state = index < reached ? "done" : index > reached ? "todo" : over && job.status !== "success" ? "stopped" : "now";
        const seconds = took.get(phase);
        return (
          <li key={phase} className={`step step-${state}`} aria-current={state === "now" ? "step" : undefined}>
            <span className="step-mark" aria-hidden="true">{state === "done" ? "✓" : state === "stopped" ? "✕" : state === "now" ? "◐" : "○"}</span>
            <span>{label}<span className="visually-hidden">: {WORDS[state]}</span></span>
            <span className="step-time">{seconds === undefined ? "" : duration(seconds)}</span>
          </li>
        );
      })}
    </ol>
  );
}

const WORDS = { done: "done", now: "going on", todo: "to come", stopped: "stopped here" };

function lastPhase(events: readonly JobEvent[], job: Job): string {
  if (job.phase !== "done") return job.phase;
  return [...events].reverse().find((event) => event.phase !== "done")?.phase ?? "queued";
}

/** Seconds from each phase's first event to the next phase's; the running phase has none yet. */
export function phaseSeconds(events: readonly JobEvent[], attempt: number): Map<string, number> {
  const mine = events.filter((event) => event.attempt === attempt || event.attempt === 0);
  const took = new Map<string, number>();
  mine.forEach((event, index) => {
    const next = mine.slice(index + 1).find((later) => later.phase !== event.phase);
    if (next && !took.has(event.phase)) took.set(event.phase, (Date.parse(next.at) - Date.parse(event.at)) / 1000);
  });
  return took;
}
