import { Link } from "react-router";
import type { Job } from "@/api/types";
import { OutLink, StatusBadge, Time, Untrusted } from "@/components/ui";
import { duration } from "@/lib/time";

interface Props {
  readonly jobs: readonly Job[];
  readonly titles: ReadonlyMap<string, string>;
  readonly chosen: ReadonlySet<string>;
  readonly choose: (chosen: ReadonlySet<string>) => void;
}

export function JobsTable({ jobs, titles, chosen, choose }: Props) {
  const toggle = (id: string): void => {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    choose(next);
  };
  return (
    <div className="scroll-x panel" role="region" aria-label="Jobs" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">
              <span className="visually-hidden">Chosen</span>
            </th>
            <th scope="col">Status</th>
            <th scope="col">What</th>
            <th scope="col">Asked for</th>
            <th scope="col">Took</th>
            <th scope="col">Runner</th>
            <th scope="col">Cost</th>
            <th scope="col">Result</th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <tr key={job.id}>
              <td>
                <input
                  type="checkbox"
                  aria-label={`Choose job ${job.id}`}
                  checked={chosen.has(job.id)}
                  onChange={() => {
                    toggle(job.id);
                  }}
                />
              </td>
              <td>
                <StatusBadge status={job.status} />
              </td>
              <td className="wrap cell-title">
                <Link to={`/r/${job.id}`}>
                  <Untrusted text={titles.get(job.cluster_id) ?? job.id} />
                </Link>
              </td>
              <td className="nowrap">
                <Time at={job.created_at} />
              </td>
              <td className="nowrap">
                {job.started_at && job.finished_at
                  ? duration((Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000)
                  : ""}
              </td>
              <td className="small">
                <span className="nowrap">{job.runner}</span>
                {job.attempt > 1 ? <span className="muted nowrap"> attempt {job.attempt}</span> : null}
              </td>
              <td>{job.usage?.cost_usd ? `$${job.usage.cost_usd.toFixed(2)}` : ""}</td>
              <td className="wrap cell-result">
                {job.pr_url ? (
                  <OutLink href={job.pr_url}>Draft pull request</OutLink>
                ) : (
                  <Untrusted text={job.error ?? ""} />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
