import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import * as queries from "@/api/queries";
import type { ClusterDetail } from "@/api/types";
import { Failed, Loaded, message } from "@/components/states";
import { Badge, Button, Dialog, Panel, StatusBadge, Time, TrustBadge } from "@/components/ui";
import { call } from "@/lib/http";
import { useKeys } from "@/lib/keys";
import { Problem } from "@/lib/problem";
import { PlanPanel } from "@/features/plan/plan-panel";
import { Reports } from "./reports";
import { Timeline } from "./timeline";

export function ClusterPage() {
  const { id = "" } = useParams();
  const query = useQuery(queries.cluster(id));
  return <Loaded query={query} what="the cluster">{(cluster) => <ClusterView cluster={cluster} />}</Loaded>;
}

function ClusterView({ cluster }: { readonly cluster: ClusterDetail }) {
  useEffect(() => { document.title = `${cluster.title} · Soulcaster`; }, [cluster.title]);
  return (
    <div className="stack">
      <header className="page-head">
        <div>
          <p className="small"><Link to="/">Inbox</Link> / cluster <code>{cluster.id}</code></p>
          <h1 className="wrap">{cluster.title}</h1>
          <p className="row small"><StatusBadge status={cluster.status} /><TrustBadge trust={cluster.trust} />
            {cluster.regressed_at ? <Badge tone="bad">↻ Regressed <Time at={cluster.regressed_at} /></Badge> : null}
            <span className="muted">{cluster.count} reports · {cluster.sources.join(", ")} · first <Time at={cluster.first_seen} /> · last <Time at={cluster.last_seen} /></span></p>
        </div>
        <FixButton cluster={cluster} />
      </header>
      {cluster.github_pr_url ? <p className="banner tone-good row">✓ A draft pull request is open. <a className="button button-primary" href={cluster.github_pr_url}>Review the draft pull request</a></p> : null}
      {cluster.status === "failed" && cluster.error_message ? <p className="banner tone-bad wrap">The last fix failed: {cluster.error_message}</p> : null}
      {cluster.merged_into ? <p className="banner tone-warn">Merged into <Link to={`/c/${cluster.merged_into}`}>another cluster</Link>.</p> : null}
      <div className="columns">
        <div className="stack">
          <Panel title="What is reported"><p className="wrap">{cluster.summary || "No summary yet."}</p>{cluster.timeline.length > 1 ? <Timeline days={cluster.timeline} /> : null}</Panel>
          <Reports cluster={cluster} />
        </div>
        <div className="stack">
          <PlanPanel cluster={cluster} />
          <Repository cluster={cluster} />
          <Jobs id={cluster.id} />
        </div>
      </div>
    </div>
  );
}

/** Start the fix: the one act that spends. Says why it is not possible, asks when the gateway asks. */
function FixButton({ cluster }: { readonly cluster: ClusterDetail }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const plan = useQuery(queries.plan(cluster.id));
  const [asked, setAsked] = useState<Problem | null>(null);
  const start = useMutation({
    mutationFn: (force: boolean) => call<{ job_id: string }>("POST", `/clusters/${cluster.id}/start_fix`, {
      body: { ...(plan.data ? { plan_version: plan.data.version } : {}), ...(force ? { force: true } : {}) },
    }),
    onSuccess: (answer) => { void client.invalidateQueries({ queryKey: ["jobs"] }); void navigate(`/r/${answer.job_id}`); },
    onError: (error) => { if (error instanceof Problem && error.status === 409 && !error.jobId) setAsked(error); },
  });
  const repo = cluster.github_repo_url ?? cluster.suggested_repo_url ?? plan.data?.repo_url;
  const blocked = cluster.status === "fixing" ? "A fix is running already." : undefined;
  const running = start.error instanceof Problem && start.error.jobId ? start.error.jobId : null;
  useKeys({ f: () => { if (!blocked && !start.isPending) start.mutate(false); } });
  return (
    <div className="stack" style={{ justifyItems: "end" }}>
      <div className="row">
        {cluster.job_id && cluster.status === "fixing" ? <Link className="button" to={`/r/${cluster.job_id}`}>Watch the fix</Link> : null}
        <Button kind="primary" busy={start.isPending} blocked={blocked} onClick={() => { start.mutate(false); }}>Start fix <kbd aria-hidden="true">f</kbd></Button>
      </div>
      <p className="small muted wrap">{repo ? `Runs on ${repo}` : "No repository is known yet; set one below."}{plan.data?.approved_by ? ` with plan version ${String(plan.data.version)}, approved by ${plan.data.approved_by}` : ""}</p>
      {running ? <p className="banner tone-warn">A fix is running already: <Link to={`/r/${running}`}>watch it</Link></p> : start.error && !asked ? <p className="banner tone-bad wrap" role="alert">{message(start.error)}</p> : null}
      <Dialog open={asked !== null} onClose={() => { setAsked(null); }} title={asked?.title ?? ""} description={asked?.detail ?? ""}>
        <div className="row"><Button kind="primary" onClick={() => { setAsked(null); start.mutate(true); }}>Start all the same</Button><Button onClick={() => { setAsked(null); }}>Do not start</Button></div>
      </Dialog>
    </div>
  );
}

function Repository({ cluster }: { readonly cluster: ClusterDetail }) {
  const client = useQueryClient();
  const [value, setValue] = useState(cluster.github_repo_url ?? cluster.suggested_repo_url ?? "");
  const save = useMutation({
    mutationFn: () => call("PATCH", `/clusters/${cluster.id}`, { body: { github_repo_url: value } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["cluster", cluster.id] }),
  });
  return (
    <Panel title="Repository">
      <form className="stack" onSubmit={(event) => { event.preventDefault(); save.mutate(); }}>
        <label className="field">URL or path
          <input value={value} onChange={(event) => { setValue(event.target.value); }} placeholder="https://github.com/owner/name" />
          {!cluster.github_repo_url && cluster.suggested_repo_url ? <span className="small muted">Suggested by the reports; save to confirm.</span> : null}
        </label>
        {save.error ? <Failed error={save.error} /> : null}
        <div className="row"><Button type="submit" busy={save.isPending} blocked={value ? undefined : "Enter a repository first."}>Save</Button>{save.isSuccess ? <span role="status" className="small">Saved.</span> : null}</div>
      </form>
    </Panel>
  );
}

function Jobs({ id }: { readonly id: string }) {
  const query = useQuery(queries.clusterJobs(id));
  return (
    <Panel title="Fixes">
      <Loaded query={query} what="fixes" rows={1}>
        {(list) => list.length === 0 ? <p className="muted">None yet.</p> : (
          <ul className="plain stack">{list.map((job) => <li key={job.id} className="row"><StatusBadge status={job.status} /><Link to={`/r/${job.id}`}><Time at={job.created_at} /></Link><span className="muted small">{job.runner}, attempt {job.attempt}</span></li>)}</ul>
        )}
      </Loaded>
    </Panel>
  );
}
