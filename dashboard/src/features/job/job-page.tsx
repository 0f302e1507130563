import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useState } from "react";
import { Link, useParams, useSearchParams } from "react-router";
import { useStream } from "@/api/live";
import * as queries from "@/api/queries";
import { TERMINAL, type Job, type JobEvent } from "@/api/types";
import { Loaded } from "@/components/states";
import { OutLink, PageHead, StatusBadge, Tabs, Time, Untrusted } from "@/components/ui";
import { useBatched } from "@/lib/batched";
import { plural } from "@/lib/plural";
import { duration } from "@/lib/time";
import { EventsTab } from "./events-tab";
import { JobActs } from "./job-acts";
import { useJobLog } from "./job-log";
import { LogViewer } from "./log-viewer";
import { PatchTab } from "./patch-tab";
import { stretches } from "./phases";
import { ReportTab } from "./report-tab";
import { Stepper } from "./stepper";
import { StepsTab } from "./steps-tab";

export function JobPage() {
  const { id = "" } = useParams();
  const query = useQuery(queries.job(id));
  return (
    <Loaded query={query} what="the job">
      {(job) => <JobView key={job.id} job={job} />}
    </Loaded>
  );
}

function JobView({ job }: { readonly job: Job }) {
  const events = useJobEvents(job.id);
  const log = useJobLog(job.id);
  const now = useNow(!TERMINAL.includes(job.status));
  const cluster = useQuery({ ...queries.cluster(job.cluster_id), retry: false }).data;
  const [params, setParams] = useSearchParams();
  const title = cluster?.title ?? "Fix";
  useEffect(() => {
    document.title = `${job.status.replace("_", " ")} · ${title} · Soulcaster`;
  }, [job.status, title]);
  const spent = useMemo(() => stretches(events, job.created_at, now), [events, job.created_at, now]);
  const ended = job.finished_at ? Date.parse(job.finished_at) : now;
  return (
    <div className="stack wide">
      <PageHead
        trail={
          <>
            <Link to="/r">Jobs</Link> / <Link to={`/c/${job.cluster_id}`}>cluster</Link> / <code>{job.id}</code>
          </>
        }
        title={<Untrusted text={title} />}
        actions={<JobActs job={job} />}
      >
        <p className="small meta">
          <StatusBadge status={job.status} />{" "}
          <span className="muted">
            attempt {job.attempt}
            {job.max_attempts ? ` of ${String(job.max_attempts)}` : ""} · {job.runner ?? "no runner yet"} ·{" "}
            <Time at={job.created_at} />
            {job.started_at ? ` · ${duration((ended - Date.parse(job.started_at)) / 1000)}` : ""}
            {job.plan_version ? ` · plan version ${String(job.plan_version)}` : ""}
            {costOf(job, events)}
          </span>
        </p>
        <Waiting job={job} now={now} />
        {job.follow_up_of ? (
          <p className="small">
            Another commit on the pull request of <Link to={`/r/${job.follow_up_of}`}>this job</Link>, after what was
            said of it.
          </p>
        ) : null}
      </PageHead>
      {job.pr_url && job.status === "success" ? (
        <p className="banner tone-good spread">
          <span>✓ The draft pull request is open.</span>
          <OutLink href={job.pr_url} className="button button-primary">
            Review the draft pull request
          </OutLink>
        </p>
      ) : null}
      <Trouble job={job} />
      <Stepper job={job} events={events} spent={spent} />
      <Tabs
        label="Parts of the job"
        value={params.get("tab") ?? "log"}
        onChange={(next) => {
          setParams(
            (old) => {
              old.set("tab", next);
              return old;
            },
            { replace: true, preventScrollReset: true },
          );
        }}
        tabs={[
          { value: "log", label: "Log", content: <LogViewer jobId={job.id} log={log} /> },
          { value: "steps", label: "Steps", content: <StepsTab log={log} /> },
          { value: "diff", label: "Diff", content: <PatchTab job={job} /> },
          { value: "report", label: "Tests and gate", content: <ReportTab job={job} /> },
          { value: "events", label: "Timeline", content: <EventsTab events={events} spent={spent} /> },
        ]}
      />
    </div>
  );
}

/** The job's states from its beginning, live. */
function useJobEvents(id: string): readonly JobEvent[] {
  const client = useQueryClient();
  const [events, setEvents] = useState<readonly JobEvent[]>([]);
  const refresh = useBatched(() => void client.invalidateQueries({ queryKey: ["job", id] }));
  const onEvent = useCallback(
    (data: string) => {
      const event = JSON.parse(data) as JobEvent;
      setEvents((old) => (old.some((known) => known.n === event.n) ? old : [...old, event].sort((a, b) => a.n - b.n)));
      refresh(event);
    },
    [refresh],
  );
  const connection = useStream(`/jobs/${id}/events`, { onEvent, names: ["status"] });
  useEffect(() => {
    if (connection !== "ended") return;
    void client.invalidateQueries({ queryKey: ["job", id] });
    void client.invalidateQueries({ queryKey: ["jobs"] });
    void client.invalidateQueries({ queryKey: ["clusters"] });
  }, [connection, client, id]);
  return events;
}

function useNow(running: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!running) return;
    const timer = window.setInterval(() => {
      setNow(Date.now());
    }, 1000);
    return () => {
      window.clearInterval(timer);
    };
  }, [running]);
  return now;
}

/** What a job that does not move waits for. */
function Waiting({ job, now }: { readonly job: Job; readonly now: number }) {
  if (TERMINAL.includes(job.status)) return null;
  if (job.cancel_requested) return <p className="small">Cancelling: the runner stops within seconds.</p>;
  if (job.waiting) {
    return (
      <p className="small wrap">
        Waiting: <Untrusted text={job.waiting.reason} />
        {job.waiting.until ? (
          <>
            , until <Time at={job.waiting.until} />
          </>
        ) : null}
        .
      </p>
    );
  }
  if (job.not_before && Date.parse(job.not_before) > now) {
    return (
      <p className="small wrap">
        Attempt {job.attempt} failed{job.error ? `: ${job.error}` : ""}. It is tried again <Time at={job.not_before} />.
      </p>
    );
  }
  if (job.status === "pending")
    return <p className="small">Waiting for a free runner{job.runner ? ` of ${job.runner}` : ""}.</p>;
  return null;
}

function costOf(job: Job, events: readonly JobEvent[]): string {
  const usage = TERMINAL.includes(job.status) ? job.usage : (events.at(-1)?.usage ?? job.usage);
  if (!usage || usage.requests === 0) return "";
  const tokens = (usage.input_tokens + usage.output_tokens).toLocaleString("en");
  const most = job.limits?.cost_usd ? ` of $${job.limits.cost_usd.toFixed(2)}` : "";
  const dollars = usage.cost_usd > 0 ? `, $${usage.cost_usd.toFixed(2)}${most}` : "";
  return ` · ${plural(usage.requests, "model request")}, ${tokens} tokens${dollars}`;
}

function Trouble({ job }: { readonly job: Job }) {
  const failure = job.failure;
  if (!failure || !TERMINAL.includes(job.status) || job.status === "success") return null;
  return (
    <div className={`banner ${job.status === "needs_review" ? "tone-warn" : "tone-bad"}`} role="status">
      <p className="wrap">
        <strong>
          <Untrusted text={failure.reason} />
        </strong>
      </p>
      {failure.action ? (
        <p className="wrap">
          What to do: <Untrusted text={failure.action} />
        </p>
      ) : null}
      {failure.detail ? (
        <details>
          <summary>Details</summary>
          <pre className="wrap small">
            <Untrusted text={failure.detail} />
          </pre>
        </details>
      ) : null}
    </div>
  );
}
