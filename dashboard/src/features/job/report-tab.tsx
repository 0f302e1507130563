import { useQuery } from "@tanstack/react-query";
import * as queries from "@/api/queries";
import type { Job } from "@/api/types";
import { Empty, Loaded } from "@/components/states";
import { Badge, Panel } from "@/components/ui";
import { duration } from "@/lib/time";

const VERDICTS: Record<string, [tone: string, text: string]> = {
  reproduced: ["good", "Reproduced: the tests fail without the patch and pass with it."],
  unreproduced: ["warn", "Not reproduced: the tests already passed without the patch."],
  still_failing: ["bad", "Still failing: the tests fail with the patch, as they did without it."],
  regressed: ["bad", "Regressed: the tests passed without the patch and fail with it."],
  not_run: ["muted", "No tests were run."],
};

/** What verification and the patch gate found. */
export function ReportTab({ job }: { readonly job: Job }) {
  const query = useQuery(queries.report(job.id));
  return (
    <Loaded query={query} what="the report">
      {(report) => {
        if (!report) return <Empty title="No report yet"><p className="muted">Verification and the gate come after the agent.</p></Empty>;
        const [tone, text] = VERDICTS[report.verification.verdict] ?? ["muted", report.verification.verdict];
        return (
          <div className="stack">
            <Panel title="Verification">
              <p className={`banner tone-${tone}`}>{text} {report.verification.reason}</p>
              {report.verification.checks.map((check) => (
                <details key={`${check.on}${check.command}`} open={!check.passed && check.on === "patch"}>
                  <summary><Badge tone={check.passed ? "good" : "bad"}>{check.passed ? "✓ passed" : "✕ failed"}</Badge> on the {check.on === "base" ? "base commit" : "patch"}: <code>{check.command}</code> ({duration(check.seconds)})</summary>
                  <pre className="wrap small">{check.output_tail}</pre>
                </details>
              ))}
            </Panel>
            <Panel title="Patch gate">
              <p>{report.changed_files.length} files, +{report.additions} −{report.deletions}</p>
              {report.findings.length === 0 ? <p className="muted">Nothing found.</p> : (
                <ul>{report.findings.map((finding) => (
                  <li key={finding.rule + finding.path}><Badge tone={finding.verdict === "block" ? "bad" : finding.verdict === "hold" ? "warn" : "muted"}>{finding.verdict}</Badge> {finding.rule} <code className="wrap">{finding.path}</code> {finding.detail}</li>
                ))}</ul>
              )}
            </Panel>
          </div>
        );
      }}
    </Loaded>
  );
}
