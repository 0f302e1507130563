import type { Plan } from "@/api/types";
import { Panel, Untrusted } from "@/components/ui";
import { lineDiff } from "@/lib/line-diff";
import { fieldsOf, LABELS, type Fields } from "./fields";

const SIGNS = { same: " ", added: "+", removed: "−" };

/** Two versions, field by field; fields that are the same are left out. */
export function PlanDiff({ before, after }: { readonly before: Plan; readonly after: Plan }) {
  const [a, b] = [fieldsOf(before), fieldsOf(after)];
  const changed = (Object.keys(LABELS) as (keyof Fields)[]).filter((name) => a[name] !== b[name]);
  return (
    <Panel title={`From version ${String(before.version)} to ${String(after.version)}`}>
      <p className="small muted">
        Version {before.version} by {before.author}, version {after.version} by {after.author}.
      </p>
      {changed.length === 0 ? <p className="muted">What people edit is the same in both.</p> : null}
      <div className="stack">
        {changed.map((name) => (
          <section key={name}>
            <h3>{LABELS[name].replace(", one a line", "")}</h3>
            <pre className="small plan-diff">
              {lineDiff(a[name], b[name]).map((line, index) => (
                <span key={index} className={`diff-${line.kind}`}>
                  {SIGNS[line.kind]} <Untrusted text={line.text} />
                  {line.kind === "same" ? null : <span className="visually-hidden"> ({line.kind})</span>}
                  {"\n"}
                </span>
              ))}
            </pre>
          </section>
        ))}
      </div>
    </Panel>
  );
}
