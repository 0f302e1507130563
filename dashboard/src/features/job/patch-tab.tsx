import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Diff, Hunk, parseDiff } from "react-diff-view";
import "react-diff-view/style/index.css";
import * as queries from "@/api/queries";
import type { Job } from "@/api/types";
import { Empty, Loaded } from "@/components/states";
import { Badge } from "@/components/ui";
import "./patch.css";

/** The patch side by side; files that the plan did not name are marked. */
export function PatchTab({ job }: { readonly job: Job }) {
  const query = useQuery(queries.patch(job.id));
  const report = useQuery(queries.report(job.id));
  return (
    <Loaded query={query} what="the patch">
      {(text) => text ? <Patch text={text} outside={report.data?.outside_plan ?? []} /> : (
        <Empty title="No patch yet"><p className="muted">It appears here once the agent has finished and its work was collected.</p></Empty>
      )}
    </Loaded>
  );
}

export function Patch({ text, outside }: { readonly text: string; readonly outside: readonly string[] }) {
  const files = useMemo(() => parseDiff(text), [text]);
  const narrow = window.matchMedia("(max-width: 860px)").matches;
  return (
    <div className="stack">
      {files.map((file) => {
        const path = file.type === "delete" ? file.oldPath : file.newPath;
        return (
          <section key={path} className="panel patch" aria-label={path}>
            <header className="spread"><code className="wrap">{path}</code>
              <span className="row">{file.type === "modify" ? null : <Badge>{file.type}</Badge>}
                {outside.includes(path) ? <Badge tone="warn" title="The plan did not name this file.">not in the plan</Badge> : <Badge tone="good">in the plan</Badge>}</span>
            </header>
            <div className="scroll-x"><Diff viewType={narrow ? "unified" : "split"} diffType={file.type} hunks={file.hunks}>
              {(hunks) => hunks.map((hunk) => <Hunk key={hunk.content} hunk={hunk} />)}
            </Diff></div>
          </section>
        );
      })}
    </div>
  );
}
