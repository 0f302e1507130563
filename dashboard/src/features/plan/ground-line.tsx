import { useMay } from "@/api/session";
import type { Plan } from "@/api/types";
import { Refused } from "@/components/states";
import { Button, Time, Untrusted } from "@/components/ui";
import { useCheck, useGenerate } from "./acts";
import { groundOf } from "./ground";

interface Props {
  readonly plan: Plan;
  /** An older version: shown, not acted on. */
  readonly old: boolean;
}

/** Whether files of the plan have changed on their branch since it was made, and making it again when they have. */
export function GroundLine({ plan, old }: Props) {
  const blocked = useMay()("triager");
  const check = useCheck(plan);
  const generate = useGenerate(plan.cluster_id);
  const { state, note } = groundOf(plan);
  return (
    <div className="stack-tight">
      <p className="row small muted ground">
        <span className="wrap">
          On <code>{plan.base_branch}</code> at <code>{plan.base_commit.slice(0, 10)}</code>
          {state === "stands" ? (
            <>
              ; <span className="for">✓ its files are unchanged</span>, looked <Time at={plan.checked_at} />
            </>
          ) : null}
        </span>
        {old ? null : (
          <Button
            kind="quiet"
            blocked={blocked}
            busy={check.isPending}
            onClick={() => {
              check.mutate();
            }}
          >
            Check again
          </Button>
        )}
      </p>
      {state === "stale" ? (
        <div className="banner tone-warn stack-tight" role="status">
          <p className="wrap">
            <strong>This plan is stale.</strong> <Untrusted text={note} />
          </p>
          {old ? null : (
            <div className="row">
              <Button
                blocked={blocked}
                busy={generate.isPending}
                onClick={() => {
                  generate.mutate();
                }}
              >
                Ground it again
              </Button>
            </div>
          )}
        </div>
      ) : note ? (
        <p className="banner tone-muted wrap" role="status">
          <Untrusted text={note} />
        </p>
      ) : null}
      <Refused error={check.error ?? generate.error} />
    </div>
  );
}
