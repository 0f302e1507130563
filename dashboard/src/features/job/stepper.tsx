import type { Job, JobEvent } from "@/api/types";
import { TERMINAL } from "@/api/types";
import { duration } from "@/lib/time";
import { lastPhase, PHASES, phaseSeconds, type Stretch } from "./phases";
import "./stepper.css";

interface Props {
  readonly job: Job;
  readonly events: readonly JobEvent[];
  readonly spent: readonly Stretch[];
}

const WORDS = { done: "done", now: "going on", todo: "to come", stopped: "stopped here" };
const MARKS = { done: "✓", now: "◐", todo: "○", stopped: "✕" };

/** Where the job is, and how long each phase of the newest attempt took. */
export function Stepper({ job, events, spent }: Props) {
  const took = phaseSeconds(spent, job.attempt);
  const reached =
    job.status === "success" ? PHASES.length : PHASES.findIndex(([phase]) => phase === lastPhase(events, job));
  const stopped = TERMINAL.includes(job.status);
  return (
    <ol className="stepper" aria-label="Progress">
      {PHASES.map(([phase, label], index) => {
        const state = index < reached ? "done" : index > reached ? "todo" : stopped ? "stopped" : "now";
        const held = state === "stopped" && job.status === "needs_review";
        const seconds = took.get(phase);
        return (
          <li
            key={phase}
            className={`step step-${held ? "held" : state}`}
            aria-current={state === "now" ? "step" : undefined}
          >
            <span aria-hidden="true">{held ? "!" : MARKS[state]}</span>
            <span>
              {label}
              <span className="visually-hidden">: {WORDS[state]}</span>
            </span>
            <span className="step-time">{seconds === undefined || state === "todo" ? "" : duration(seconds)}</span>
          </li>
        );
      })}
    </ol>
  );
}
