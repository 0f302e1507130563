import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Diff, Hunk, parseDiff } from "react-diff-view";
import "react-diff-view/style/index.css";
import * as queries from "@/api/queries";
import type { Job } from "@/api/types";
import { Empty, Loaded } from "@/components/states";
import { Badge, Button, Untrusted } from "@/components/ui";
import { url } from "@/lib/http";
import { plural } from "@/lib/plural";
import "./patch.css";

/** The patch side by side; files that the plan names are marked, and files that it does not. */
export function PatchTab({ job }: { readonly job: Job }) {
  const query = useQuery(queries.patch(job.id));
  const report = useQuery(queries.report(job.id)).data;
  return (
    <Loaded query={query} what="the patch">
      {(text) =>
        text ? (
          <Patch text={text} outside={report?.outside_plan ?? null} jobId={job.id} />
        ) : (
          <Empty title="No patch yet">
            <p className="muted">It appears here once the agent has finished and its work was collected.</p>
          </Empty>
        )
      }
    </Loaded>
  );
}

interface Props {
  readonly text: string;
  /** Paths that the plan did not name; null while nothing is known. */
  readonly outside: readonly string[] | null;
  readonly jobId: string;
}

export function Patch({ text, outside, jobId }: Props) {
  const files = useMemo(() => parseDiff(text), [text]);
  const [split, setSplit] = useState(() => !window.matchMedia("(max-width: 860px)").matches);
  return (
    <div className="stack">
      <div className="spread">
        <span className="muted">{plural(files.length, "file")} changed</span>
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
