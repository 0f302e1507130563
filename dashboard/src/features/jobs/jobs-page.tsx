import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link, useSearchParams } from "react-router";
import * as queries from "@/api/queries";
import type { Job } from "@/api/types";
import { Empty, Loaded } from "@/components/states";
import { StatusBadge, Time } from "@/components/ui";
import { duration } from "@/lib/time";

export function JobsPage() {
  const query = useQuery(queries.jobs());
  const [params, setParams] = useSearchParams();
  const status = params.get("status") ?? "";
  useEffect(() => { document.title = "Jobs · Soulcaster"; }, []);
  return (
    <>
      <header className="page-head"><div><h1>Jobs</h1><p className="muted">Every fix, newest first.</p></div>
        <label><span className="visually-hidden">Status</span>
          <select value={status} onChange={(e) => { setParams(e.target.value ? { status: e.target.value } : {}, { replace: true }); }}>
            <option value="">All</option>{["pending", "running", "success", "needs_review", "failed", "cancelled"].map((s) => <option key={s} value={s}>{s.replace("_", " ")}</option>)}
          </select></label>
      </header>
      <Loaded query={query} what="jobs">
        {(list) => {
          const shown = status ? list.filter((job) => job.status === status) : list;
          return shown.length === 0 ? <Empty title={list.length ? "No job has this status" : "No jobs yet"}><p className="muted">Open a cluster and start its fix.</p></Empty> : <Table jobs={shown} />;
        }}
      </Loaded>
    </>
  );
}

function Table({ jobs }: { readonly jobs: readonly Job[] }) {
  return (
    <div className="scroll-x panel"><table>
      <thead><tr><th scope="col">Status</th><th scope="col">Job</th><th scope="col">Started</th><th scope="col">Took</th><th scope="col">Attempt</th><th scope="col">Runner</th><th scope="col">Result</th></tr></thead>
      <tbody>{jobs.map((job) => (
        <tr key={job.id}>
          <td><StatusBadge status={job.status} /></td>
          <td className="wrap"><Link to={`/r/${job.id}`}>{job.cluster_title ?? job.id}</Link></td>
          <td><Time at={job.created_at} /></td>
          <td>{job.started_at && job.finished_at ? duration((Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000) : ""}</td>
          <td>{job.attempt}</td><td>{job.runner}</td>
          <td className="wrap">{job.pr_url ? <a href={job.pr_url}>Draft pull request</a> : typeof job.error === "string" ? job.error : job.error?.reason}</td>
        </tr>
      ))}</tbody>
    </table></div>
  );
}
