import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import * as queries from "@/api/queries";
import { useMay } from "@/api/session";
import type { ClusterDetail } from "@/api/types";
import { SimilarWork } from "@/components/similar-work";
import { Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { Button } from "@/components/ui";
import { call } from "@/lib/http";
import { useKeys } from "@/lib/keys";
import { Problem } from "@/lib/problem";
import { TryKey } from "@/lib/try-key";

/** Start the fix: the one act that spends. Pressed twice it starts one job: the key of the try goes with it. */
export function FixButton({ cluster }: { readonly cluster: ClusterDetail }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const may = useMay();
  const plan = useQuery(queries.plan(cluster.id)).data;
  const [tryKey] = useState(() => new TryKey());
  const start = useMutation({
    mutationFn: (force: boolean) =>
      call<{ job_id: string }>("POST", `/clusters/${cluster.id}/start_fix`, {
        body: { ...(plan ? { plan_version: plan.version } : {}), ...(force ? { force } : {}) },
        headers: { "Idempotency-Key": tryKey.value },
      }),
    onSuccess: (answer) => {
      void client.invalidateQueries({ queryKey: ["jobs"] });
      void navigate(`/r/${answer.job_id}`);
    },
    onError: tryKey.failed,
  });
  const refused = start.error instanceof Problem ? start.error : null;
  const live = cluster.status === "fixing";
  const blocked = may("operator") ?? (live ? "A fix is running already." : undefined);
  const begin = (): void => {
    if (blocked) toast(blocked);
    else if (!start.isPending) start.mutate(false);
  };
  useKeys({ fix: begin });
  return (
    <div className="fix">
      <div className="row">
        {live && cluster.job_id ? (
          <Link className="button button-primary" to={`/r/${cluster.job_id}`}>
            Watch the fix
          </Link>
        ) : null}
        <Button
          kind={live || !plan?.approved_by ? "plain" : "primary"}
          busy={start.isPending}
          blocked={blocked}
          shortcut="fix"
          onClick={begin}
        >
          Start fix
        </Button>
      </div>
      <p className="small muted wrap">{may("operator") ?? hint(cluster, plan ?? null)}</p>
      {refused?.similar.length ? (
        <SimilarWork
          similar={refused.similar}
          here={cluster.id}
          busy={start.isPending}
          anyway={() => {
            start.mutate(true);
          }}
          leave={start.reset}
        />
      ) : refused?.jobId ? (
        <p className="banner tone-warn" role="alert">
          A fix is running already: <Link to={`/r/${refused.jobId}`}>watch it</Link>
        </p>
      ) : (
        <Refused error={start.error} />
      )}
    </div>
  );
}

function hint(
  cluster: ClusterDetail,
  plan: { version: number; approved_by: string | null; repo_url: string } | null,
): string {
  const repo = cluster.github_repo_url ?? plan?.repo_url ?? cluster.suggested_repo_url;
  const where = repo ? `in ${repo.replace(/^https?:\/\//, "")}` : "in the project's repository";
  if (!plan) return `Makes a plan first, then fixes ${where}.`;
  return plan.approved_by
    ? `Follows plan version ${String(plan.version)}, approved by ${plan.approved_by}, ${where}.`
    : `Follows plan version ${String(plan.version)}, which nobody has approved yet, ${where}.`;
}
