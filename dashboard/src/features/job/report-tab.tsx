import { useQuery } from "@tanstack/react-query";
import * as queries from "@/api/queries";
import type { Job, Report } from "@/api/types";
import { Empty, Loaded } from "@/components/states";
import { Badge, Panel, Untrusted } from "@/components/ui";
import { plural } from "@/lib/plural";
import { duration } from "@/lib/time";

const VERDICTS: Record<string, [tone: string, text: string]> = {
  reproduced: ["good", "✓ Reproduced: the tests fail without the patch and pass with it."],
  unreproduced: ["warn", "! Not reproduced: the tests already passed without the patch."],
  still_failing: ["bad", "✕ Still failing: the tests fail with the patch, as they did without it."],
  regressed: ["bad", "✕ Regressed: the tests passed without the patch and fail with it."],
  not_run: ["muted", "No tests were run."],
};
const GATE: Record<string, [tone: string, text: string]> = {
  block: ["bad", "✕ refused"],
  hold: ["warn", "! held for review"],
  note: ["muted", "note"],
};

/** What verification and the patch gate found. */
export function ReportTab({ job }: { readonly job: Job }) {
  const query = useQuery(queries.report(job.id));
  return (
    <Loaded query={query} what="the report">
      {(report) =>
        report ? (
          <div className="stack">
            <Tests report={report} />
            <Gate report={report} />
            <Rounds report={report} />
            {report.summary ? (
              <Panel title="What the agent says">
                <p className="wrap summary">
                  <Untrusted text={report.summary} />
                </p>
              </Panel>
            ) : null}
          </div>
        ) : (
          <Empty title="No report yet">
            <p className="muted">Verification and the gate come after the agent.</p>
          </Empty>
        )
      }
    </Loaded>
  );
}

/** What was unusual about the way to this patch. */
function Rounds({ report }: { readonly report: Report }) {
  const told = [
    report.rounds > 0 ? `The agent was sent back ${plural(report.rounds, "time")} because tests failed.` : "",
    report.resumed_from ? `It went on from the work that attempt ${String(report.resumed_from)} had saved.` : "",
  ].filter(Boolean);
  return told.length ? <p className="small muted">{told.join(" ")}</p> : null;
}

function Tests({ report }: { readonly report: Report }) {
  const { verification } = report;
  const [tone, text] = VERDICTS[verification.verdict] ?? ["muted", verification.verdict];
  return (
    <Panel title="Verification">
      <div className="stack-tight">
        <p className={`banner tone-${tone} wrap`}>
          {text} {verification.reason}
        </p>
        {verification.tests.length ? (
          <p className="small wrap">
            Tests that the patch brings:{" "}
            {verification.tests.map((path) => (
              <code key={path}>{path} </code>
            ))}
          </p>
        ) : null}
        {verification.flaky.length ? (
          <p className="small wrap">
            <Badge tone="warn">! flaky</Badge> failed once and passed once, so they say nothing:{" "}
            {verification.flaky.slice(0, 10).join(", ")}
          </p>
        ) : null}
        {verification.checks.map((check, index) => (
          <details key={index} open={!check.passed && check.on === "patch"}>
            <summary>
              <Badge tone={check.passed ? "good" : "bad"}>{check.passed ? "✓ passed" : "✕ failed"}</Badge> on the{" "}
              {check.on === "base" ? "base commit" : "patch"}
              {check.with_tests ? " with the patch’s own tests" : ""}: <code className="wrap">{check.command}</code> (
              {duration(check.seconds)})
            </summary>
            {check.failing.length ? (
              <ul className="small">
                {check.failing.slice(0, 20).map((name) => (
                  <li key={name} className="wrap">
                    <code>
                      <Untrusted text={name} />
                    </code>
                  </li>
                ))}
              </ul>
            ) : null}
            <pre className="block small">
              <Untrusted text={check.output_tail} />
            </pre>
          </details>
        ))}
      </div>
    </Panel>
  );
}

function Gate({ report }: { readonly report: Report }) {
  return (
    <Panel title="Patch gate">
      <p>
        {plural(report.changed_files.length, "file")}, +{report.additions} −{report.deletions}
      </p>
      {report.findings.length === 0 ? (
        <p className="muted">Nothing found.</p>
      ) : (
        <ul className="plain rows">
          {report.findings.map((finding) => {
            const [tone, text] = GATE[finding.verdict] ?? ["muted", finding.verdict];
            return (
              <li key={finding.rule + finding.path} className="row">
                <Badge tone={tone}>{text}</Badge>
                <span className="wrap">
                  <code>
                    <Untrusted text={finding.path} />
                  </code>{" "}
                  <Untrusted text={finding.detail || finding.rule} />
                </span>
              </li>
            );
          })}
        </ul>
      )}
    </Panel>
  );
}
