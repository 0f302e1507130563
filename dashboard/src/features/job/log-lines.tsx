import { memo, useMemo, useState } from "react";
import { duration } from "@/lib/time";
import { spans, type Span } from "./ansi";
import type { Row } from "./log-rows";
import type { Line, Part } from "./log-store";
import { phaseLabel } from "./phases";

const LONG = 4000;
export function anchor(line: Line): string {
  return `a${String(line.attempt)}L${String(line.n + 1)}`;
}

interface RowProps {
  readonly row: Row;
  readonly found: boolean;
  readonly current: boolean;
  readonly linked: boolean;
  readonly times: boolean;
  readonly toggle: (part: Part, phase: boolean) => void;
}

export const LogRow = memo(function LogRow({ row, found, current, linked, times, toggle }: RowProps) {
  if (row.kind === "gap") {
    return <div className="log-gap">{row.part.missing} lines are missing here</div>;
  }
  if (row.kind === "line") {
    return <TextRow line={row.line} found={found} current={current} linked={linked} times={times} />;
  }
  return <HeadRow row={row} linked={linked} toggle={toggle} />;
}, sameRow);

/** A row is the same when it shows the same: parts grow in place, so their rows are compared by what they tell. */
function sameRow(a: RowProps, b: RowProps): boolean {
  if (a.row.kind !== "line" || b.row.kind !== "line") return false;
  const flags = a.found === b.found && a.current === b.current && a.linked === b.linked && a.times === b.times;
  return flags && a.row.line === b.row.line;
}

type Head = Extract<Row, { kind: "phase" | "step" }>;

function HeadRow({
  row,
  linked,
  toggle,
}: {
  readonly row: Head;
  readonly linked: boolean;
  readonly toggle: RowProps["toggle"];
}) {
  const { part, folded } = row;
  const phase = row.kind === "phase";
  const seconds = (Date.parse(part.endedAt) - Date.parse(part.startedAt)) / 1000;
  const lines = part.end - part.start - 1;
  return (
    <button
      type="button"
      className={`log-head log-head-${row.kind}${part.failed ? " log-head-failed" : ""}${linked ? " log-linked" : ""}`}
      aria-expanded={!folded}
      onClick={() => {
        toggle(part, phase);
      }}
    >
      <span aria-hidden="true" className="log-fold">
        {folded ? "▸" : "▾"}
      </span>
      {phase ? (
        <>
          {phaseLabel(part.phase)} <span className="log-note">attempt {part.attempt}</span>
        </>
      ) : (
        <>
          <span className={`log-tool log-tool-${toolOf(row.line.text)}`}>{toolOf(row.line.text)}</span>
          <span className="log-title">
            <Ansi text={titleOf(row.line.text)} />
          </span>
          <span className="log-note">
            {part.failed ? "✕ failed · " : ""}
            {lines > 0 ? `${String(lines)} lines` : ""}
            {seconds >= 1 ? ` · ${duration(seconds)}` : ""}
          </span>
        </>
      )}
    </button>
  );
}

/** What the agent did, from how the runner titles a tool call. */
export function toolOf(title: string): "run" | "read" | "edit" | "look" | "plan" | "tool" {
  if (title.startsWith("$ ")) return "run";
  if (title.startsWith("read ")) return "read";
  if (title.startsWith("edit ") || title.startsWith("write ")) return "edit";
  if (title.startsWith("glob ") || title.startsWith("grep ")) return "look";
  return title === "plan of the agent" ? "plan" : "tool";
}

export function titleOf(title: string): string {
  const tool = toolOf(title);
  if (tool === "run") return title.slice(2);
  return tool === "read" || tool === "edit" || tool === "look" ? title.slice(title.indexOf(" ") + 1) : title;
}

interface TextProps {
  readonly line: Line;
  readonly found: boolean;
  readonly current: boolean;
  readonly linked: boolean;
  readonly times: boolean;
}

function TextRow({ line, found, current, linked, times }: TextProps) {
  const marks = `${found ? " log-hit" : ""}${current ? " log-current" : ""}${linked ? " log-linked" : ""}`;
  return (
    <div className={`log-line log-${line.stream}${marks}`}>
      <a className="log-number" href={`#${anchor(line)}`} aria-label={`Link to line ${String(line.n + 1)}`}>
        {line.n + 1}
      </a>
      {times ? <time className="log-time">{line.at.slice(11, 23)}</time> : null}
      <span className={`log-text${line.stream === "stderr" ? alarm(line.text) : diffClass(line.text)}`}>
        <Shortened text={line.text} />
      </span>
    </div>
  );
}

/** Test runners print all they say on stderr: only what sounds like trouble is red. */
function alarm(text: string): string {
  return /\b(error|errors=[1-9]|fail(ed|ure)?|traceback|exception|panic)\b/i.test(text) ? " log-alarm" : "";
}

function diffClass(text: string): string {
  if (/^ {2}\+(?!\+\+)/.test(text)) return " log-added";
  if (/^ {2}(exit code [1-9]|refused:)/.test(text)) return " log-alarm";
  return /^ {2}-(?!--)/.test(text) ? " log-removed" : "";
}

/** A very long line, cut until it is asked for. */
function Shortened({ text }: { readonly text: string }) {
  const [whole, setWhole] = useState(false);
  if (text.length <= LONG || whole) return <Ansi text={text} />;
  return (
    <>
      <Ansi text={text.slice(0, LONG)} />
      <button
        type="button"
        className="log-more"
        onClick={() => {
          setWhole(true);
        }}
      >
        … show all {text.length.toLocaleString("en")} characters
      </button>
    </>
  );
}

export function Ansi({ text }: { readonly text: string }) {
  const parts = useMemo(() => spans(text), [text]);
  if (parts.length === 1 && parts[0] && isPlain(parts[0])) return parts[0].text;
  return parts.map((part, index) => <Styled key={index} part={part} />);
}

const isPlain = (part: Span): boolean => Object.keys(part).length === 1;

function Styled({ part }: { readonly part: Span }) {
  if (part.hidden) return <span className="hidden-char">{part.text}</span>;
  const style = {
    ...(part.color ? { color: part.color } : {}),
    ...(part.ground ? { backgroundColor: part.ground } : {}),
    ...(part.bold ? { fontWeight: 700 } : {}),
    ...(part.italic ? { fontStyle: "italic" } : {}),
    ...(part.underline ? { textDecoration: "underline" } : {}),
  };
  if (part.href) {
    return (
      <a href={part.href} style={style} rel="noreferrer noopener nofollow" target="_blank">
        {part.text}
      </a>
    );
  }
  return <span style={style}>{part.text}</span>;
}
