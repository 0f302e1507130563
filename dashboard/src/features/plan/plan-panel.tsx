import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import * as queries from "@/api/queries";
import type { Cluster, Plan } from "@/api/types";
import { Failed, Loaded } from "@/components/states";
import { Badge, Button, Panel, Time } from "@/components/ui";
import { call } from "@/lib/http";
import { useKeys } from "@/lib/keys";
import { PlanEditor } from "./plan-editor";
import "./plan.css";

/** The plan of a cluster: made, read, edited, approved. */
export function PlanPanel({ cluster }: { readonly cluster: Cluster }) {
  const client = useQueryClient();
  const query = useQuery(queries.plan(cluster.id));
  const [editing, setEditing] = useState(false);
  const refresh = () => client.invalidateQueries({ queryKey: ["plan", cluster.id] });
  const generate = useMutation({ mutationFn: () => call<Plan>("POST", `/clusters/${cluster.id}/plan`), onSuccess: refresh });
  const approve = useMutation({
    mutationFn: (version: number) => call<Plan>("POST", `/clusters/${cluster.id}/plan/approve`, { body: { version } }), onSuccess: refresh,
  });
  const plan = query.data;
  useKeys({
    p: () => { if (!generate.isPending) generate.mutate(); },
    a: () => { if (plan && !plan.approved_by && !approve.isPending) approve.mutate(plan.version); },
  });
  return (
    <Panel title="Plan" id="plan" actions={plan && !editing ? (
      <>
        <Button onClick={() => { setEditing(true); }}>Edit</Button>
        <Button busy={generate.isPending} onClick={() => { generate.mutate(); }}>Make again</Button>
        {plan.approved_by ? <Badge tone="good">✓ approved by {plan.approved_by}</Badge>
          : <Button kind="primary" busy={approve.isPending} onClick={() => { approve.mutate(plan.version); }}>Approve <kbd aria-hidden="true">a</kbd></Button>}
      </>
    ) : null}>
      {generate.error ? <Failed error={generate.error} /> : null}
      {approve.error ? <Failed error={approve.error} /> : null}
      <Loaded query={query} what="the plan" rows={2}>
        {(found) => !found ? (
          <div className="stack"><p className="muted">No plan yet. It names the likely files, causes and checks, grounded in the repository.</p>
            <div><Button kind="primary" busy={generate.isPending} onClick={() => { generate.mutate(); }}>Make a plan <kbd aria-hidden="true">p</kbd></Button></div>
            {generate.isPending ? <p role="status" className="small">Reading the repository and weighing the evidence…</p> : null}</div>
        ) : editing ? <PlanEditor plan={found} close={() => { setEditing(false); }} /> : <PlanView plan={found} />}
      </Loaded>
    </Panel>
  );
}

export function PlanView({ plan }: { readonly plan: Plan }) {
  return (
    <div className="stack plan">
      <div>
        <h3 className="wrap">{plan.title}</h3>
        <p className="small muted wrap">Version {plan.version} by {plan.author}, <Time at={plan.updated_at} />, on <code>{plan.base_branch}</code> at <code>{plan.base_commit.slice(0, 10)}</code></p>
        <p className="row"><Badge tone={plan.grounded === "model" ? "accent" : "muted"}>{plan.grounded === "model" ? `with the model ${plan.model ?? ""}` : "from evidence alone"}</Badge>
          {plan.confidence > 0 ? <Badge>confidence {Math.round(plan.confidence * 100)} %</Badge> : null}{plan.expected_size ? <Badge>{plan.expected_size}</Badge> : null}</p>
      </div>
      {plan.conflicts.map((c) => <p key={c} className="banner tone-warn wrap">{c}</p>)}
      <p className="wrap">{plan.summary || plan.description}</p>
      {plan.hypotheses.length ? <section><h3>Likely causes</h3><ol>{plan.hypotheses.map((h) => (
        <li key={h.statement} className="wrap">{h.statement} <Badge>{Math.round(h.confidence * 100)} %</Badge>
          {h.evidence_for.length + h.evidence_against.length > 0 || h.refuted_by ? <details className="small"><summary>Evidence</summary><ul>
            {h.evidence_for.map((e) => <li key={e}>for: {e}</li>)}{h.evidence_against.map((e) => <li key={e}>against: {e}</li>)}{h.refuted_by ? <li>would be refuted by: {h.refuted_by}</li> : null}</ul></details> : null}</li>
      ))}</ol></section> : null}
      {plan.candidate_files.length ? <section><h3>Files</h3><ol className="files">{plan.candidate_files.slice(0, 8).map((f) => (
        <li key={f.path}><code className="wrap">{f.path}</code>{f.symbols.slice(0, 3).map((s) => <span key={s.name + String(s.start_line)} className="small muted"> {s.name}{s.start_line ? `:${String(s.start_line)}` : ""}</span>)}
          {f.reasons.length ? <p className="small muted wrap">{f.reasons.slice(0, 3).join("; ")}</p> : null}</li>
      ))}</ol></section> : null}
      <List title="Steps" items={plan.steps} ordered />
      {plan.validation_steps.length ? <section><h3>How to see that it works</h3><ul>{plan.validation_steps.map((v) => <li key={v.title + (v.command ?? "")} className="wrap">{v.title}{v.command ? <> <code>{v.command}</code></> : null}</li>)}</ul></section> : null}
      {plan.suspect_commits.length ? <section><h3>Suspect commits</h3><ul>{plan.suspect_commits.map((c) => <li key={c.sha} className="wrap"><code>{c.sha.slice(0, 10)}</code> {c.title} <span className="small muted">{c.reason}</span></li>)}</ul></section> : null}
      {plan.reproduction ? <section><h3>Reproduction to write first</h3><pre className="small wrap">{plan.reproduction}</pre></section> : null}
      <List title="Risks" items={plan.risks} />
      <List title="Notes" items={plan.notes} />
    </div>
  );
}

function List({ title, items, ordered = false }: { readonly title: string; readonly items: readonly string[]; readonly ordered?: boolean }) {
  if (!items.length) return null;
  const Tag = ordered ? "ol" : "ul";
  return <section><h3>{title}</h3><Tag>{items.map((item) => <li key={item} className="wrap">{item}</li>)}</Tag></section>;
}
