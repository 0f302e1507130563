import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import * as queries from "@/api/queries";
import { Loaded } from "@/components/states";
import { Panel, StatusBadge, Time } from "@/components/ui";

/** The fixes that were tried. */
export function Fixes({ id }: { readonly id: string }) {
  const query = useQuery(queries.clusterJobs(id));
  return (
    <Panel title="Fixes">
      <Loaded query={query} what="fixes" rows={1}>
        {(list) =>
          list.length === 0 ? (
            <p className="muted">None yet.</p>
          ) : (
            <ul className="plain rows">
              {list.map((job) => (
                <li key={job.id} className="row">
                  <StatusBadge status={job.status} />
                  <Link to={`/r/${job.id}`}>
                    <Time at={job.created_at} />
                  </Link>
                  <span className="muted small">
                    {job.runner ?? "no runner yet"}, attempt {job.attempt}
                  </span>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Panel>
  );
}
