import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Diff, Hunk, parseDiff, type FileData } from "react-diff-view";
import "react-diff-view/style/index.css";
import * as queries from "@/api/queries";
import { TERMINAL, type Job, type Report } from "@/api/types";
import { Empty, Loaded } from "@/components/states";
import { Badge, Button, Untrusted } from "@/components/ui";
import { url } from "@/lib/http";
import { plural } from "@/lib/plural";
import "./patch.css";

const SAVED_MS = 30_000;

/** The patch side by side; files that the plan names are marked, and files that it does not. */
export function PatchTab({ job }: { readonly job: Job }) {
  const over = TERMINAL.includes(job.status);
  const query = useQuery({ ...queries.patch(job.id), refetchInterval: over ? false : SAVED_MS });
  const report = useQuery(queries.report(job.id)).data;
  return (
    <Loaded query={query} what="the patch">
      {(text) =>
        text ? (
          <>
            {job.status === "success" || job.status === "needs_review" ? null : (
              <p className="banner tone-muted">{unfinished(job)}</p>
            )}
            <Patch
              text={text}
              outside={report?.outside_plan ?? null}
              findings={report?.findings ?? []}
              jobId={job.id}
            />
          </>
        ) : (
          <Empty title={over ? "The job left no patch" : "No patch yet"}>
            <p className="muted">
              {over
                ? "It ended before the agent had changed anything that could be saved."
                : "What the agent has done is saved every two minutes and shown here."}
            </p>
          </Empty>
        )
      }
    </Loaded>
  );
}

/** What a patch is worth that did not go through verification and the gate. */
function unfinished(job: Job): string {
  if (!TERMINAL.includes(job.status)) return "The work so far, saved every two minutes; the agent is still at it.";
  return `What the agent had done when the job ${job.status === "cancelled" ? "was cancelled" : "failed"}. Nothing was published; a retry goes on from here.`;
}

function lines(files: readonly FileData[], type: "insert" | "delete"): number {
  return files.flatMap((file) => file.hunks.flatMap((hunk) => hunk.changes)).filter((one) => one.type === type).length;
}

interface Props {
  readonly text: string;
  /** Paths that the plan did not name; null while nothing is known. */
  readonly outside: readonly string[] | null;
  readonly findings?: Report["findings"];
  readonly jobId: string;
}

export function Patch({ text, outside, findings = [], jobId }: Props) {
  const files = useMemo(() => parseDiff(text), [text]);
  const [split, setSplit] = useState(() => !window.matchMedia("(max-width: 860px)").matches);
  return (
    <div className="stack">
      <div className="spread">
        <span className="muted">
          {plural(files.length, "file")} changed, +{lines(files, "insert")} −{lines(files, "delete")}
        </span>
        <span className="row">
          <Button
            kind="quiet"
            aria-pressed={split}
            onClick={() => {
              setSplit(!split);
            }}
          >
            Side by side
          </Button>
          <a className="button button-quiet" href={url(`/jobs/${jobId}/patch`)} download={`${jobId}.diff`}>
            Download
          </a>
        </span>
      </div>
      {files.map((file) => {
        const path = file.type === "delete" ? file.oldPath : file.newPath;
        return (
          <section key={path} className="panel patch" aria-label={path}>
            <header className="spread">
              <code className="wrap">
                <Untrusted text={path} />
              </code>
              <span className="row">
                {file.type === "modify" ? null : <Badge>{file.type}</Badge>}
                {outside === null ? null : outside.includes(path) ? (
                  <Badge tone="warn" title="The plan did not name this file.">
                    ! not in the plan
                  </Badge>
                ) : (
                  <Badge tone="good">✓ in the plan</Badge>
                )}
              </span>
            </header>
            {findings
              .filter((one) => one.path === path && one.verdict !== "note")
              .map((one) => (
                <p key={one.rule} className={`banner tone-${one.verdict === "hold" ? "warn" : "bad"} wrap`}>
                  {one.verdict === "hold" ? "! Held for review: " : "✕ Refused: "}
                  <Untrusted text={one.detail || one.rule} />
                </p>
              ))}
            <div className="scroll-x" role="region" aria-label={`Changes of ${path}`} tabIndex={0}>
              <Diff viewType={split ? "split" : "unified"} diffType={file.type} hunks={file.hunks}>
                {(hunks) => hunks.map((hunk) => <Hunk key={hunk.content} hunk={hunk} />)}
              </Diff>
            </div>
          </section>
        );
      })}
    </div>
  );
}
