import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import type { Plan } from "@/api/types";
import { Failed } from "@/components/states";
import { Button } from "@/components/ui";
import { call } from "@/lib/http";
import { Problem } from "@/lib/problem";

const lines = (text: string): string[] => text.split("\n").map((line) => line.trim()).filter(Boolean);

/** Edits make a new version; a version that moved on meanwhile is said, never overwritten. */
export function PlanEditor({ plan, close }: { readonly plan: Plan; readonly close: () => void }) {
  const client = useQueryClient();
  const [title, setTitle] = useState(plan.title);
  const [summary, setSummary] = useState(plan.summary || plan.description);
  const [files, setFiles] = useState(plan.candidate_files.map((f) => f.path).join("\n"));
  const [steps, setSteps] = useState(plan.steps.join("\n"));
  const [command, setCommand] = useState(plan.test_command ?? "");
  const [risks, setRisks] = useState(plan.risks.join("\n"));
  const save = useMutation({
    mutationFn: () => {
      const known = new Map(plan.candidate_files.map((f) => [f.path, f]));
      const wanted: Record<string, unknown> = {
        title, summary, steps: lines(steps), risks: lines(risks), test_command: command || null,
        candidate_files: lines(files).map((path) => known.get(path) ?? { path, reasons: ["named by a person"] }),
      };
      const before: Record<string, unknown> = {
        title: plan.title, summary: plan.summary || plan.description, steps: plan.steps, risks: plan.risks, test_command: plan.test_command, candidate_files: plan.candidate_files,
      };
      const changed = Object.fromEntries(Object.entries(wanted).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name])));
      return call<Plan>("PATCH", `/clusters/${plan.cluster_id}/plan`, { body: changed, headers: { "If-Match": `"${String(plan.version)}"` } });
    },
    onSuccess: async () => { await client.invalidateQueries({ queryKey: ["plan", plan.cluster_id] }); close(); },
  });
  const lost = save.error instanceof Problem && save.error.status === 412;
  return (
    <form className="stack" onSubmit={(event) => { event.preventDefault(); save.mutate(); }}>
      <Field label="Title"><input value={title} onChange={(e) => { setTitle(e.target.value); }} required /></Field>
      <Field label="Summary"><textarea rows={5} value={summary} onChange={(e) => { setSummary(e.target.value); }} /></Field>
      <Field label="Files, one a line"><textarea rows={5} className="mono" value={files} onChange={(e) => { setFiles(e.target.value); }} /></Field>
      <Field label="Steps, one a line"><textarea rows={6} value={steps} onChange={(e) => { setSteps(e.target.value); }} /></Field>
      <Field label="Test command"><input className="mono" value={command} onChange={(e) => { setCommand(e.target.value); }} /></Field>
      <Field label="Risks, one a line"><textarea rows={3} value={risks} onChange={(e) => { setRisks(e.target.value); }} /></Field>
      {lost ? <p className="banner tone-warn" role="alert">Someone saved a newer version meanwhile. Copy what you need, then cancel to see it.</p> : save.error ? <Failed error={save.error} /> : null}
      <div className="row"><Button kind="primary" type="submit" busy={save.isPending}>Save as version {plan.version + 1}</Button><Button onClick={close}>Cancel</Button></div>
    </form>
  );
}

function Field({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return <label className="field">{label}{children}</label>;
}
