import type { ReactNode } from "react";
import type { Plan } from "@/api/types";
import { Badge, Marked, Time, Untrusted } from "@/components/ui";
import { Conflicts } from "./conflicts";
import { GroundLine } from "./ground-line";
import { otherNotes } from "./ground";

interface Props {
  readonly plan: Plan;
  /** What fits beside a cluster: the evidence stays on the plan's own page. */
  readonly brief?: boolean;
  /** An older version: shown, not acted on. */
  readonly old?: boolean;
}

export function PlanView({ plan, brief = false, old = false }: Props) {
  const files = brief ? plan.candidate_files.slice(0, 4) : plan.candidate_files;
  return (
    <div className="stack plan">
      {brief ? null : (
        <h2 className="wrap">
          <Untrusted text={plan.title} />
        </h2>
      )}
      <p className="wrap">
        <Marked text={plan.summary || plan.description} />
      </p>
      <PlanMeta plan={plan} brief={brief} />
      <GroundLine plan={plan} old={old} />
      <Conflicts plan={plan} old={old} />
      <Hypotheses plan={plan} brief={brief} />
      {files.length ? (
        <Part title="Files to look at">
          <ol>
            {files.map((file) => (
              <li key={file.path} className="wrap">
                <code>{file.path}</code>
                {file.symbols.slice(0, 3).map((symbol) => (
                  <span key={symbol.name + String(symbol.start_line)} className="small muted">
                    {" "}
                    {symbol.name}
                    {symbol.start_line ? `:${String(symbol.start_line)}` : ""}
                  </span>
                ))}
                {!brief && file.reasons.length ? (
                  <p className="small muted wrap">
                    <Marked text={file.reasons.join("; ")} />
                  </p>
                ) : null}
              </li>
            ))}
          </ol>
        </Part>
      ) : null}
      <List title="Steps" items={plan.steps} ordered />
      {plan.test_command ? (
        <Part title="Test command">
          <code className="wrap">{plan.test_command}</code>
        </Part>
      ) : null}
      {brief ? null : <Evidence plan={plan} />}
      <List title="Risks" items={plan.risks} />
    </div>
  );
}

function PlanMeta({ plan, brief }: { readonly plan: Plan; readonly brief: boolean }) {
  return (
    <div className="stack-tight">
      <p className="small muted wrap">
        Version {plan.version} by {plan.author}, <Time at={plan.updated_at} />
      </p>
      <p className="row">
        <Badge tone={plan.grounded === "model" ? "accent" : "muted"}>
          {plan.grounded === "model" ? `with the model ${plan.model ?? ""}` : "from evidence alone"}
        </Badge>
        {plan.confidence > 0 ? <Badge>confidence {Math.round(plan.confidence * 100)} %</Badge> : null}
        {plan.expected_size && !plan.expected_size.startsWith("unknown") ? (
          <Badge>size {plan.expected_size}</Badge>
        ) : null}
        <Forecast plan={plan} />
      </p>
      {!brief && plan.expected_size.startsWith("unknown") ? (
        <p className="small muted wrap">Size {plan.expected_size}.</p>
      ) : null}
    </div>
  );
}

function Forecast({ plan }: { readonly plan: Plan }) {
  const forecast = plan.forecast;
  if (!forecast) return null;
  const parts = [
    forecast.minutes ? `about ${String(Math.round(forecast.minutes))} min` : "",
    forecast.cost_usd ? `$${forecast.cost_usd.toFixed(2)}` : "",
    forecast.tokens ? `${forecast.tokens.toLocaleString("en")} tokens` : "",
  ].filter(Boolean);
  return parts.length ? <Badge title={forecast.basis}>{parts.join(", ")}</Badge> : null;
}

function Hypotheses({ plan, brief }: { readonly plan: Plan; readonly brief: boolean }) {
  const shown = brief ? plan.hypotheses.slice(0, 2) : plan.hypotheses;
  if (!shown.length) return null;
  return (
    <Part title="Likely causes">
      <ol>
        {shown.map((one) => (
          <li key={one.statement} className="wrap">
            <Marked text={one.statement} /> <Badge>{Math.round(one.confidence * 100)} %</Badge>
            {one.evidence_for.length + one.evidence_against.length > 0 ? (
              <details className="small" open={!brief}>
                <summary>Evidence</summary>
                <ul>
                  {one.evidence_for.map((text) => (
                    <li key={text}>
                      <span className="for">for</span> <Marked text={text} />
                    </li>
                  ))}
                  {one.evidence_against.map((text) => (
                    <li key={text}>
                      <span className="against">against</span> <Marked text={text} />
                    </li>
                  ))}
                  {one.refuted_by ? (
                    <li>
                      would be refuted by: <Marked text={one.refuted_by} />
                    </li>
                  ) : null}
                </ul>
              </details>
            ) : null}
          </li>
        ))}
      </ol>
    </Part>
  );
}

function Evidence({ plan }: { readonly plan: Plan }) {
  return (
    <>
      {plan.validation_steps.length ? (
        <Part title="How to see that it works">
          <ul>
            {plan.validation_steps.map((step) => (
              <li key={step.title + (step.command ?? "")} className="wrap">
                <Marked text={step.title} /> {step.command ? <code>{step.command}</code> : null}
              </li>
            ))}
          </ul>
        </Part>
      ) : null}
      {plan.suspect_commits.length ? (
        <Part title="Suspect commits">
          <ul>
            {plan.suspect_commits.map((commit) => (
              <li key={commit.sha} className="wrap">
                <code>{commit.sha.slice(0, 10)}</code> <Untrusted text={commit.title} />{" "}
                <span className="small muted">{commit.reason}</span>
              </li>
            ))}
          </ul>
        </Part>
      ) : null}
      {plan.reproduction ? (
        <Part title="Reproduction to write first">
          <pre className="small">
            <Untrusted text={plan.reproduction} />
          </pre>
        </Part>
      ) : null}
      <List title="Nearest tests" items={plan.nearest_tests} />
      <List title="Setup" items={plan.setup_commands} />
      <List title="Notes" items={otherNotes(plan)} />
      {plan.reports.length ? (
        <Part title="Reports it was made from">
          <ul>
            {plan.reports.map((report) => (
              <li key={report.feedback_id} className="wrap">
                <Untrusted text={report.title} /> <span className="small muted">{report.source}</span>
              </li>
            ))}
          </ul>
        </Part>
      ) : null}
    </>
  );
}

function Part({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <section>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

function List({
  title,
  items,
  ordered = false,
}: {
  readonly title: string;
  readonly items: readonly string[];
  readonly ordered?: boolean;
}) {
  if (!items.length) return null;
  const Tag = ordered ? "ol" : "ul";
  return (
    <Part title={title}>
      <Tag>
        {items.map((item) => (
          <li key={item} className="wrap">
            <Marked text={item} />
          </li>
        ))}
      </Tag>
    </Part>
  );
}
