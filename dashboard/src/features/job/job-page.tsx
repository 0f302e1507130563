import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Tabs } from "radix-ui";
import { useCallback, useEffect, useState } from "react";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import { useStream } from "@/api/live";
import * as queries from "@/api/queries";
import { TERMINAL, type Failure, type Job, type JobEvent } from "@/api/types";
import { Failed, Loaded, message } from "@/components/states";
import { Button, Dialog, StatusBadge, Time } from "@/components/ui";
import { call } from "@/lib/http";
import { duration } from "@/lib/time";
import { LogViewer } from "./log-viewer";
import { PatchTab } from "./patch-tab";
import { ReportTab } from "./report-tab";
import { Stepper } from "./stepper";

export function JobPage() {
  const { id = "" } = useParams();
  const query = useQuery(queries.job(id));
  return <Loaded query={query} what="the job">{(job) => <JobView key={job.id} job={job} />}</Loaded>;
}

function JobView({ job }: { readonly job: Job }) {
  const client = useQueryClient();
  const [events, setEvents] = useState<readonly JobEvent[]>([]);
  const [params, setParams] = useSearchParams();
  const onEvent = useCallback((data: string) => {
    const event = JSON.parse(data) as JobEvent;
    if (typeof event.phase !== "string" || typeof event.n !== "number") return;
    setEvents((old) => (old.some((known) => known.n === event.n) ? old : [...old, event]));
    void client.invalidateQueries({ queryKey: ["job", job.id] });
  }, [client, job.id]);
  useStream(`/jobs/${job.id}/events`, { onEvent, names: ["message", "job", "status"] });
  useEffect(() => { document.title = `${job.status} · ${job.cluster_title ?? job.id} · Soulcaster`; }, [job]);
  const tab = params.get("tab") ?? "log";
  return (
    <div className="stack">
      <header className="page-head">
        <div>
          <p className="small"><Link to={`/c/${job.cluster_id}`}>Cluster</Link> / job <code>{job.id}</code></p>
          <h1 className="wrap">{job.cluster_title ?? "Fix"}</h1>
          <p className="row small muted"><StatusBadge status={job.status} /> attempt {job.attempt} · {job.runner} · started <Time at={job.created_at} />
            {job.started_at ? <Elapsed job={job} /> : null}</p>
        </div>
        <Actions job={job} />
      </header>
      {job.pr_url ? (
        <p className="banner tone-good row">✓ The draft pull request is open. <a href={job.pr_url} className="button button-primary">Review the draft pull request</a></p>
      ) : null}
      <Trouble error={job.error} status={job.status} />
      <Stepper job={job} events={events} />
      <Cost job={job} events={events} />
      <Tabs.Root value={tab} onValueChange={(next) => { setParams((old) => { old.set("tab", next); return old; }, { replace: true }); }}>
        <Tabs.List className="tabs" aria-label="Parts of the job">
          <Tabs.Trigger value="log">Log</Tabs.Trigger><Tabs.Trigger value="diff">Diff</Tabs.Trigger>
          <Tabs.Trigger value="report">Tests and gate</Tabs.Trigger><Tabs.Trigger value="events">Events</Tabs.Trigger>
        </Tabs.List>
        <Tabs.Content value="log"><LogViewer jobId={job.id} /></Tabs.Content>
        <Tabs.Content value="diff"><PatchTab job={job} /></Tabs.Content>
        <Tabs.Content value="report"><ReportTab job={job} /></Tabs.Content>
        <Tabs.Content value="events"><EventList events={events} /></Tabs.Content>
      </Tabs.Root>
    </div>
  );
}

function Elapsed({ job }: { readonly job: Job }) {
  const [now, setNow] = useState(Date.now());
  const ended = job.finished_at ? Date.parse(job.finished_at) : undefined;
  useEffect(() => {
    if (ended) return;
    const timer = window.setInterval(() => { setNow(Date.now()); }, 1000);
    return () => { window.clearInterval(timer); };
  }, [ended]);
  return <> · {duration(((ended ?? now) - Date.parse(job.started_at ?? job.created_at)) / 1000)}</>;
}

function Trouble({ error, status }: { readonly error: Failure | string | null; readonly status: string }) {
  if (!error || status === "success") return null;
  const failure = typeof error === "string" ? { kind: "", reason: error, action: "", detail: "" } : error;
  return (
    <div className={`banner ${status === "needs_review" ? "tone-warn" : "tone-bad"}`} role="status">
      <p className="wrap"><strong>{failure.reason}</strong></p>
      {failure.action ? <p className="wrap">What to do: {failure.action}</p> : null}
      {failure.detail ? <details><summary>Details</summary><pre className="wrap">{failure.detail}</pre></details> : null}
    </div>
  );
}

function Actions({ job }: { readonly job: Job }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [asking, setAsking] = useState<"cancel" | "approve" | null>(null);
  const act = useMutation({
    mutationFn: (verb: string) => call<{ job_id?: string }>("POST", `/jobs/${job.id}/${verb}`, { body: {} }),
    onSuccess: (answer) => {
      setAsking(null);
      void client.invalidateQueries({ queryKey: ["job", job.id] });
      if (answer.job_id && answer.job_id !== job.id) void navigate(`/r/${answer.job_id}`);
    },
  });
  const over = TERMINAL.includes(job.status);
  return (
    <div className="row">
      {over ? null : <Button kind="danger" onClick={() => { setAsking("cancel"); }}>Cancel</Button>}
      {job.status === "needs_review" ? <Button kind="primary" onClick={() => { setAsking("approve"); }}>Release the held patch</Button> : null}
      {over && job.status !== "success" ? <Button busy={act.isPending} onClick={() => { act.mutate("retry"); }}>Retry</Button> : null}
      <Dialog open={asking === "cancel"} onClose={() => { setAsking(null); }} title="Cancel this job?" description="The agent stops. What it had done so far stays downloadable; no pull request appears.">
        {act.error ? <Failed error={act.error} /> : null}
        <div className="row"><Button kind="danger" busy={act.isPending} onClick={() => { act.mutate("cancel"); }}>Cancel the job</Button><Button onClick={() => { setAsking(null); }}>Let it go on</Button></div>
      </Dialog>
      <Dialog open={asking === "approve"} onClose={() => { setAsking(null); }} title="Release the held patch?" description="The gate held it because it touches files that change how code is built, tested or run. It is checked again, then pushed as a draft pull request.">
        {act.error ? <Failed error={act.error} /> : null}
        <div className="row"><Button kind="primary" busy={act.isPending} onClick={() => { act.mutate("approve"); }}>Release it</Button><Button onClick={() => { setAsking(null); }}>Not now</Button></div>
      </Dialog>
      {act.error && !asking ? <p className="tone-bad badge" role="alert">{message(act.error)}</p> : null}
    </div>
  );
}

function Cost({ job, events }: { readonly job: Job; readonly events: readonly JobEvent[] }) {
  const usage = events.at(-1)?.usage ?? job.usage;
  if (!usage || usage.requests === 0) return null;
  const tokens = usage.input_tokens + usage.output_tokens;
  return (
    <p className="small muted">
      Spent: {usage.requests} model requests, {tokens.toLocaleString("en")} tokens{usage.cost_usd > 0 ? `, $${usage.cost_usd.toFixed(3)}` : ""}
    </p>
  );
}

function EventList({ events }: { readonly events: readonly JobEvent[] }) {
  if (!events.length) return <p className="muted">No events yet.</p>;
  return (
    <div className="scroll-x panel"><table>
      <thead><tr><th scope="col">When</th><th scope="col">Status</th><th scope="col">Phase</th><th scope="col">Attempt</th><th scope="col">What</th></tr></thead>
      <tbody>{[...events].reverse().map((event) => (
        <tr key={event.n}><td><Time at={event.at} /></td><td><StatusBadge status={event.status} /></td><td>{event.phase}</td><td>{event.attempt}</td>
          <td className="wrap">{event.message || event.failure?.reason || ""}</td></tr>
      ))}</tbody>
    </table></div>
  );
}
