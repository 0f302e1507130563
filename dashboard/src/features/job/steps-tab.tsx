import { Empty } from "@/components/states";
import { Badge } from "@/components/ui";
import { duration } from "@/lib/time";
import { plainText } from "./ansi";
import type { JobLog } from "./job-log";
import { Ansi, titleOf, toolOf } from "./log-lines";
import type { LogStore, Part } from "./log-store";

const NAMES = { run: "Ran", read: "Read", edit: "Edited", look: "Searched", plan: "Planned", tool: "Used" };
const MOST = 400;

/** What the agent did and said, step by step: files read, edits with their diffs, commands with what they printed. */
export function StepsTab({ log }: { readonly log: JobLog }) {
  const { store } = log;
  const parts = store.parts.filter((part) => part.phase === "agent" && part.end > part.start);
  const shown = parts.slice(-MOST);
  if (parts.length === 0) {
    return (
      <Empty title="No steps yet">
        <p className="muted">What the agent reads, edits and runs appears here while it works.</p>
      </Empty>
    );
  }
  return (
    <div className="agent-steps">
      {parts.length > shown.length ? (
        <p className="muted small">
          The last {MOST} of {parts.length} steps; the log has all of them.
        </p>
      ) : null}
      {shown.map((part) =>
        part.step === null ? (
          <SaidPart key={part.start} part={part} store={store} />
        ) : (
          <Step key={part.start} part={part} store={store} />
        ),
      )}
    </div>
  );
}

interface Props {
  readonly part: Part;
  readonly store: LogStore;
}

function SaidPart({ part, store }: Props) {
  const lines = store.lines.slice(part.start, Math.min(part.end, part.start + 60));
  return (
    <div className="agent-said wrap">
      {lines.map((line, index) => (
        <span key={index}>
          <Ansi text={plainText(line.text.slice(0, 2000))} />
          {"\n"}
        </span>
      ))}
      {part.end - part.start > lines.length ? (
        <span className="muted">… {part.end - part.start - lines.length} more lines in the log</span>
      ) : null}
    </div>
  );
}

function Step({ part, store }: Props) {
  const title = store.lines[part.start]?.text ?? "";
  const tool = toolOf(title);
  const body = store.lines.slice(part.start + 1, Math.min(part.end, part.start + 400));
  const added = body.filter((line) => /^ {2}\+/.test(line.text)).length;
  const removed = body.filter((line) => /^ {2}-/.test(line.text)).length;
  const seconds = (Date.parse(part.endedAt) - Date.parse(part.startedAt)) / 1000;
  return (
    <details className="agent-step" open={tool === "edit" || part.failed}>
      <summary>
        <Badge tone={part.failed ? "bad" : tool === "edit" ? "good" : tool === "run" ? "live" : "accent"}>
          {part.failed ? "✕ " : ""}
          {NAMES[tool]}
        </Badge>
        <code className="wrap">{plainText(titleOf(title).slice(0, 300))}</code>
        <span className="small muted">
          {tool === "edit" && added + removed > 0 ? `+${String(added)} −${String(removed)}` : ""}
          {seconds >= 1 ? ` ${duration(seconds)}` : ""}
        </span>
      </summary>
      {body.length > 0 ? (
        <pre>
          {body.map((line, index) => (
            <span key={index} className={lineClass(line.text)}>
              <Ansi text={line.text.slice(0, 4000)} />
            </span>
          ))}
        </pre>
      ) : null}
    </details>
  );
}

function lineClass(text: string): string {
  if (/^ {2}\+/.test(text)) return "line log-text log-added";
  return /^ {2}-/.test(text) ? "line log-text log-removed" : "line";
}
