import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link, useParams, useSearchParams } from "react-router";
import * as queries from "@/api/queries";
import { useMay } from "@/api/session";
import type { Plan } from "@/api/types";
import { Empty, Loaded, Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { Badge, Button, PageHead, Panel, Time, Untrusted } from "@/components/ui";
import { useKeys } from "@/lib/keys";
import { useApprove, useGenerate } from "./acts";
import { fieldName } from "./ground";
import { PlanDiff } from "./plan-diff";
import { PlanEditor } from "./plan-editor";
import { PlanView } from "./plan-view";
import "./plan.css";

/** A plan with its evidence and its versions; the version and what it is compared with stand in the address. */
export function PlanPage() {
  const { id = "" } = useParams();
  const query = useQuery(queries.planVersions(id));
  const cluster = useQuery(queries.cluster(id)).data;
  useEffect(() => {
    document.title = "Plan · Soulcaster";
  }, []);
  const trail = (
    <>
      <Link to="/">Inbox</Link> / <Link to={`/c/${id}`}>{cluster ? <Untrusted text={cluster.title} /> : id}</Link>
    </>
  );
  return (
    <Loaded query={query} what="the plan">
      {(versions) =>
        versions.length ? (
          <Versions id={id} versions={versions} trail={trail} />
        ) : (
          <>
            <PageHead title="Plan" trail={trail} />
            <Empty title="No plan yet">
              <p>
                <Link to={`/c/${id}#plan`}>Make one on the cluster’s page</Link>
              </p>
            </Empty>
          </>
        )
      }
    </Loaded>
  );
}

interface Props {
  readonly id: string;
  readonly versions: readonly Plan[];
  readonly trail: React.ReactNode;
}

function Versions({ id, versions, trail }: Props) {
  const [params, setParams] = useSearchParams();
  const [editing, setEditing] = useState(false);
  const may = useMay();
  const approve = useApprove(id);
  const generate = useGenerate(id);
  const current = versions[0];
  const shown = versions.find((one) => String(one.version) === params.get("version")) ?? current;
  const other = versions.find((one) => String(one.version) === params.get("compare"));
  const newest = shown === current;
  const release = (): void => {
    const blocked = may("operator");
    if (blocked) toast(blocked);
    else if (current && !approve.isPending) approve.mutate(current.version);
  };
  const edit = (): void => {
    const blocked = may("triager");
    if (blocked) toast(blocked);
    else setEditing(true);
  };
  const again = (): void => {
    const blocked = may("triager");
    if (blocked) toast(blocked);
    else if (!generate.isPending) generate.mutate();
  };
  useKeys({
    approve: newest && current && !current.approved_by ? release : undefined,
    edit: newest && current ? edit : undefined,
    "plan.again": again,
  });
  if (!shown || !current) return null;
  const set = (name: string, value: string): void => {
    setParams((old) => {
      if (value) old.set(name, value);
      else old.delete(name);
      return old;
    });
  };
  const old = newest ? undefined : "Only the newest version can be changed or approved.";
  return (
    <>
      <PageHead
        title={`Plan, version ${String(shown.version)}`}
        trail={trail}
        actions={
          <>
            <Button blocked={may("triager")} busy={generate.isPending} shortcut="plan.again" onClick={again}>
              Make again
            </Button>
            <Button blocked={may("triager") ?? old} shortcut="edit" onClick={edit}>
              Edit
            </Button>
            {shown.approved_by ? (
              <Badge tone="good">✓ approved by {shown.approved_by}</Badge>
            ) : (
              <Button
                kind="primary"
                shortcut="approve"
                busy={approve.isPending}
                blocked={may("operator") ?? old}
                onClick={release}
              >
                Approve
              </Button>
            )}
          </>
        }
      />
      <Refused error={approve.error ?? generate.error} />
      <div className="columns columns-wide">
        <div className="stack">
          {editing ? (
            <Panel title="Edit">
              <PlanEditor
                plan={current}
                close={() => {
                  setEditing(false);
                }}
              />
            </Panel>
          ) : other && other !== shown ? (
            <PlanDiff before={other} after={shown} />
          ) : (
            <div className="panel">
              <PlanView plan={shown} old={!newest} />
            </div>
          )}
        </div>
        <Panel title="Versions">
          <ol className="plain rows">
            {versions.map((one) => (
              <li key={one.version} className="stack-tight">
                <span className="spread">
                  <Button
                    kind="quiet"
                    aria-pressed={one === shown}
                    onClick={() => {
                      set("version", one === current ? "" : String(one.version));
                    }}
                  >
                    Version {one.version}
                  </Button>
                  {one === shown ? (
                    <Badge tone="accent">shown</Badge>
                  ) : (
                    <Button
                      kind="quiet"
                      aria-pressed={one === other}
                      onClick={() => {
                        set("compare", one === other ? "" : String(one.version));
                      }}
                    >
                      {one === other ? "Stop comparing" : "Compare"}
                    </Button>
                  )}
                </span>
                <span className="small muted">
                  by {one.author}, <Time at={one.updated_at} />
                  {one.approved_by ? `, approved by ${one.approved_by}` : ""}
                  {one.changed_fields.length
                    ? `; changed ${one.changed_fields.map(fieldName).join(", ").toLowerCase()}`
                    : ""}
                </span>
              </li>
            ))}
          </ol>
        </Panel>
      </div>
    </>
  );
}
