import { useState } from "react";
import type { Plan } from "@/api/types";
import { Failed } from "@/components/states";
import { Button } from "@/components/ui";
import { Problem } from "@/lib/problem";
import { useSavePlan } from "./acts";
import { changesOf, fieldsOf, LABELS, type Fields } from "./fields";

const ROWS: Partial<Record<keyof Fields, number>> = {
  summary: 5,
  hypotheses: 4,
  files: 5,
  steps: 6,
  reproduction: 5,
  risks: 3,
};
const CODE: readonly (keyof Fields)[] = ["files", "command", "reproduction"];

/** Edits make a new version; a version that moved on meanwhile is said, never overwritten. */
export function PlanEditor({ plan, close }: { readonly plan: Plan; readonly close: () => void }) {
  const [base] = useState(plan);
  const [fields, setFields] = useState(() => fieldsOf(plan));
  const save = useSavePlan(base);
  const changes = changesOf(base, fields);
  const same = Object.keys(changes).length === 0 ? "Nothing is changed yet." : undefined;
  const lost = save.error instanceof Problem && save.error.status === 412;
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (!same) save.mutate(changes, { onSuccess: close });
      }}
    >
      {(Object.keys(LABELS) as (keyof Fields)[]).map((name) => (
        <Field
          key={name}
          name={name}
          value={fields[name]}
          set={(value) => {
            setFields((old) => ({ ...old, [name]: value }));
          }}
        />
      ))}
      {lost ? (
        <p className="banner tone-warn" role="alert">
          Someone saved a newer version meanwhile. Copy what you need, then cancel to see it.
        </p>
      ) : save.error ? (
        <Failed error={save.error} />
      ) : null}
      <div className="row">
        <Button kind="primary" type="submit" busy={save.isPending} blocked={same}>
          Save as version {base.version + 1}
        </Button>
        <Button onClick={close}>Cancel</Button>
      </div>
    </form>
  );
}

interface FieldProps {
  readonly name: keyof Fields;
  readonly value: string;
  readonly set: (value: string) => void;
}

function Field({ name, value, set }: FieldProps) {
  const className = CODE.includes(name) ? "mono" : undefined;
  const rows = ROWS[name];
  return (
    <label className="field">
      {LABELS[name]}
      {rows ? (
        <textarea
          rows={rows}
          className={className}
          value={value}
          onChange={(event) => {
            set(event.target.value);
          }}
        />
      ) : (
        <input
          className={className}
          value={value}
          required={name === "title"}
          onChange={(event) => {
            set(event.target.value);
          }}
        />
      )}
    </label>
  );
}
