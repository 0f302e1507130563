import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link, useNavigate } from "react-router";
import * as queries from "@/api/queries";
import { useMay } from "@/api/session";
import type { Cluster } from "@/api/types";
import { Failed, Loaded, Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { Badge, Button, Panel } from "@/components/ui";
import { useKeys } from "@/lib/keys";
import { useApprove, useGenerate } from "./acts";
import { PlanEditor } from "./plan-editor";
import { PlanView } from "./plan-view";
import "./plan.css";

/** The plan of a cluster: made, read, edited, approved. */
export function PlanPanel({ cluster }: { readonly cluster: Cluster }) {
  const query = useQuery(queries.plan(cluster.id));
  const navigate = useNavigate();
  const may = useMay();
  const [editing, setEditing] = useState(false);
  const generate = useGenerate(cluster.id);
  const approve = useApprove(cluster.id);
  const plan = query.data;
  const blocked = may("triager");
  const make = (): void => {
    if (blocked) toast(blocked);
    else if (!generate.isPending) generate.mutate();
  };
  const release = (): void => {
    const why = may("operator");
    if (why) toast(why);
    else if (plan && !approve.isPending) approve.mutate(plan.version);
  };
  const edit = (): void => {
    if (blocked) toast(blocked);
    else setEditing(true);
  };
  useKeys({
    plan: plan ? () => void navigate(`/c/${cluster.id}/plan`) : plan === null ? make : undefined,
    approve: plan && !plan.approved_by ? release : undefined,
    edit: plan ? edit : undefined,
    "plan.again": plan ? make : undefined,
  });
  useEffect(() => {
    if (plan !== undefined && window.location.hash === "#plan") document.getElementById("plan")?.scrollIntoView();
  }, [plan]);
  return (
    <Panel
      title="Plan"
      id="plan"
      actions={
        plan && !editing ? (
          <>
            <Link className="button button-quiet" to={`/c/${cluster.id}/plan`}>
              Open
            </Link>
            <Button kind="quiet" blocked={blocked} shortcut="edit" onClick={edit}>
              Edit
            </Button>
            {plan.approved_by ? (
              <Badge tone="good">✓ approved by {plan.approved_by}</Badge>
            ) : (
              <Button
                kind="primary"
                busy={approve.isPending}
                blocked={may("operator")}
                shortcut="approve"
                onClick={release}
              >
                Approve
              </Button>
            )}
          </>
        ) : null
      }
    >
      <Refused error={approve.error} />
      {generate.error ? <Failed error={generate.error} retry={make} /> : null}
      <Loaded query={query} what="the plan" rows={2}>
        {(found) =>
          !found ? (
            <div className="stack">
              <p className="muted">
                No plan yet. It names the likely causes, files and checks, grounded in the repository.
              </p>
              <div>
                <Button kind="primary" busy={generate.isPending} blocked={blocked} shortcut="plan" onClick={make}>
                  Make a plan
                </Button>
              </div>
              {generate.isPending ? (
                <p role="status" className="small">
                  Reading the repository and weighing the evidence…
                </p>
              ) : null}
            </div>
          ) : editing ? (
            <PlanEditor
              plan={found}
              close={() => {
                setEditing(false);
              }}
            />
          ) : (
            <>
              <PlanView plan={found} brief />
              <p className="row plan-foot">
                <Link to={`/c/${cluster.id}/plan`}>The whole plan, its evidence and versions</Link>
                <Button kind="quiet" busy={generate.isPending} blocked={blocked} onClick={make}>
                  Make again
                </Button>
              </p>
            </>
          )
        }
      </Loaded>
    </Panel>
  );
}
