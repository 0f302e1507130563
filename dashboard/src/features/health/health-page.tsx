import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link } from "react-router";
import * as queries from "@/api/queries";
import { useMay } from "@/api/session";
import { Empty, Loaded } from "@/components/states";
import { Badge, PageHead, Panel, Time } from "@/components/ui";

const PARTS: Record<string, string> = {
  nats: "NATS: messages, state and logs",
  triage: "Triage: reports into clusters",
  runner: "Runner: makes the fixes",
};

/** Works when the broker is down: readiness is read without the session. */
export function HealthPage() {
  const ready = useQuery(queries.readiness());
  useEffect(() => {
    document.title = "Health · Soulcaster";
  }, []);
  return (
    <>
      <PageHead title="Health">
        {ready.dataUpdatedAt ? (
          <p className="muted">
            Looked <Time at={new Date(ready.dataUpdatedAt).toISOString()} />, again every 5 seconds.
          </p>
        ) : null}
      </PageHead>
      <div className="stack">
        <Panel title="Services">
          <Loaded query={ready} what="readiness" rows={2}>
            {({ ok, checks }) => (
              <div className="stack">
                <p>
                  <Badge tone={ok ? "good" : "bad"}>
                    {ok ? "✓ Ready: reports are taken in and fixes are made" : "✕ Not ready"}
                  </Badge>
                </p>
                <ul className="plain rows">
                  {Object.entries(checks).map(([name, state]) => (
                    <li key={name} className="row">
                      <Badge tone={state === "ok" ? "good" : "bad"}>{state === "ok" ? "✓ works" : "✕ does not"}</Badge>
                      <span className="wrap">
                        {PARTS[name] ?? name}
                        {state === "ok" ? "" : `: ${state}`}
                      </span>
                    </li>
                  ))}
                </ul>
              </div>
            )}
          </Loaded>
        </Panel>
        <Runners />
        <Flow />
      </div>
    </>
  );
}

function Runners() {
  const query = useQuery(queries.runners());
  return (
    <Panel title="Runners">
      <Loaded query={query} what="runners" rows={2}>
        {(list) =>
          list.length === 0 ? (
            <Empty title="No runner is alive">
              <p>
                Fixes wait until one comes. On this machine: <code>soulcaster doctor</code>
              </p>
            </Empty>
          ) : (
            <div className="scroll-x" role="region" aria-label="Runners alive" tabIndex={0}>
              <table>
                <thead>
                  <tr>
                    {["Runner", "Sandbox", "Agent", "Load", "Seen", "State"].map((name) => (
                      <th key={name} scope="col">
                        {name}
                      </th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {list.map((runner) => (
                    <tr key={runner.runner + runner.instance}>
                      <td>
                        {runner.runner} <span className="muted small block-line nowrap">{runner.instance}</span>
                      </td>
                      <td className="cell-title">
                        {runner.sandbox}{" "}
                        <span className="row small">
                          {runner.capabilities.map((name) => (
                            <Badge key={name}>{name}</Badge>
                          ))}
                        </span>
                      </td>
                      <td className="nowrap">{runner.agent}</td>
                      <td className="nowrap">
                        {runner.busy} of {runner.slots}
                      </td>
                      <td className="nowrap">
                        <Time at={runner.seen_at} />
                      </td>
                      <td className="wrap">
                        {runner.problem ? (
                          <Badge tone="bad">✕ {runner.problem}</Badge>
                        ) : (
                          <Badge tone="good">✓ works</Badge>
                        )}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Loaded>
    </Panel>
  );
}

/** What has come in and what waits. */
function Flow() {
  const stats = useQuery(queries.stats()).data;
  const clustering = useQuery(queries.clustering()).data;
  const dead = useQuery({ ...queries.deadLetters(), retry: false, enabled: !useMay()("operator") }).data;
  return (
    <Panel title="Flow">
      <dl className="facts">
        <div>
          <dt>Reports</dt>
          <dd>{stats?.total_feedback.toLocaleString("en") ?? "…"}</dd>
        </div>
        <div>
          <dt>Clusters</dt>
          <dd>{stats?.total_clusters.toLocaleString("en") ?? "…"}</dd>
        </div>
        <div>
          <dt>Waiting to be grouped</dt>
          <dd>{clustering?.pending_unclustered.toLocaleString("en") ?? "…"}</dd>
        </div>
        <div>
          <dt>
            <Link to="/stuck">Dead letters</Link>
          </dt>
          <dd>{dead ? dead.length : "–"}</dd>
        </div>
      </dl>
    </Panel>
  );
}
