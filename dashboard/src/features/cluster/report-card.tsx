import { useState } from "react";
import type { Feedback } from "@/api/types";
import { sourceName } from "@/components/icons";
import { revealed } from "@/lib/untrusted";
import { Badge, Button, OutLink, Time, Untrusted } from "@/components/ui";

interface Props {
  readonly item: Feedback;
  readonly here: boolean;
  readonly chosen: boolean;
  readonly blocked: string | undefined;
  readonly onChoose: () => void;
  readonly onMove: () => void;
  /** Titles of the cluster's reports by their ids. */
  readonly titles: ReadonlyMap<string, string>;
}

/** A reason with titles in place of the ids it names. */
function named(reason: string, titles: ReadonlyMap<string, string>): string {
  return reason.replace(/\b[0-9A-Z]{20,32}\b/g, (id) => {
    const title = titles.get(id);
    return title ? `“${title}”` : id;
  });
}

export function ReportCard({ item, here, chosen, blocked, onChoose, onMove, titles }: Props) {
  return (
    <li className={here ? "report report-at" : "report"} id={item.id}>
      <div className="spread">
        <label className="row report-title">
          <input type="checkbox" checked={chosen} onChange={onChoose} />
          <strong className="wrap">
            <Untrusted text={item.title} />
          </strong>
        </label>
        <Button
          kind="quiet"
          blocked={blocked}
          onClick={onMove}
          aria-label={`Belongs elsewhere: ${revealed(item.title)}`}
        >
          Belongs elsewhere
        </Button>
      </div>
      <p className="row small muted">
        <Badge>{sourceName(item.source)}</Badge>
        <Time at={item.created_at} />
        {item.environment ? <span>{item.environment}</span> : null}
        {item.release ? <span className="wrap">{item.release}</span> : null}
        {item.level ? <span>{item.level}</span> : null}
        {item.pinned ? <Badge tone="accent">put here by a person</Badge> : null}
        {item.github_issue_url ? <OutLink href={item.github_issue_url}>issue</OutLink> : null}
      </p>
      {item.reasons.length ? (
        <p className="small wrap why">
          <span className="muted">Here because:</span>{" "}
          {item.reasons
            .slice(0, 3)
            .map((r) => named(r.detail, titles))
            .join("; ")}
        </p>
      ) : null}
      {item.body || item.stacktrace ? <Said item={item} /> : null}
    </li>
  );
}

/** What the report says: as Soulcaster reads it, as it came, and its stack trace. */
function Said({ item }: { readonly item: Feedback }) {
  const [raw, setRaw] = useState(false);
  const differs = item.raw_text !== "" && item.raw_text !== item.body;
  return (
    <details>
      <summary className="small">What it says</summary>
      {differs ? (
        <Button
          kind="quiet"
          aria-pressed={raw}
          onClick={() => {
            setRaw(!raw);
          }}
        >
          {raw ? "As Soulcaster reads it" : "As it came"}
        </Button>
      ) : null}
      <pre className="small block">
        <Untrusted text={raw ? item.raw_text : item.body} />
      </pre>
      {item.frames.length ? <Frames item={item} /> : null}
      {item.truncated ? <p className="small muted">Shortened.</p> : null}
    </details>
  );
}

function Frames({ item }: { readonly item: Feedback }) {
  return (
    <ol className="plain frames" aria-label="Stack trace">
      {item.frames.map((frame, index) => (
        <li key={index} className={frame.in_app === false ? "frame muted" : "frame"}>
          <code className="wrap">
            {frame.file}
            {frame.line ? `:${String(frame.line)}` : ""}
          </code>{" "}
          {frame.function ? <span className="small">in {frame.function}</span> : null}
          {frame.code ? <code className="frame-code">{frame.code}</code> : null}
        </li>
      ))}
    </ol>
  );
}
