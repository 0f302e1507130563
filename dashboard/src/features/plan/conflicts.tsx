import { useMay } from "@/api/session";
import type { Plan } from "@/api/types";
import { Refused } from "@/components/states";
import { Badge, Button, Untrusted } from "@/components/ui";
import { useHandBack } from "./acts";
import { conflictOf, fieldName } from "./ground";

interface Props {
  readonly plan: Plan;
  readonly old: boolean;
}

/** Fields that people wrote and the planner now sees differently: the people's words stand until they say otherwise. */
export function Conflicts({ plan, old }: Props) {
  const blocked = useMay()("triager");
  const handBack = useHandBack(plan);
  if (!plan.conflicts.length) return <Kept fields={plan.edited_fields} />;
  return (
    <section className="banner tone-warn stack-tight" aria-label="Edits that the planner sees differently">
      <p>
        <strong>Your edits are kept; the planner now sees it differently.</strong>
      </p>
      <ul className="plain stack-tight">
        {plan.conflicts.map((text) => {
          const { field, kept, proposed } = conflictOf(text);
          return (
            <li key={text} className="stack-tight">
              <p className="wrap">
                {field ? <strong>{fieldName(field)}: </strong> : null}
                <Untrusted text={kept} />
                {proposed ? (
                  <>
                    {". Proposed: "}
                    <Untrusted text={proposed} />
                  </>
                ) : null}
              </p>
              {field && !old ? (
                <div>
                  <Button
                    blocked={blocked}
                    busy={handBack.isPending && handBack.variables === field}
                    onClick={() => {
                      handBack.mutate(field);
                    }}
                  >
                    Let the planner write it
                  </Button>
                </div>
              ) : null}
            </li>
          );
        })}
      </ul>
      <Refused error={handBack.error} />
    </section>
  );
}

function Kept({ fields }: { readonly fields: readonly string[] }) {
  if (!fields.length) return null;
  return (
    <p className="row small muted">
      Written by people, kept when the plan is made again:
      {fields.map((field) => (
        <Badge key={field} tone="accent">
          {fieldName(field)}
        </Badge>
      ))}
    </p>
  );
}
