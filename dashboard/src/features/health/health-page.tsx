import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import * as queries from "@/api/queries";
import { Empty, Loaded } from "@/components/states";
import { Badge, Panel, Time } from "@/components/ui";

interface Readiness { status?: string; checks?: Record<string, unknown> }

/** Works when the broker is down: readiness is read without the session. */
export function HealthPage() {
  const ready = useQuery({
    queryKey: ["readyz"], refetchInterval: 5000, retry: false,
    queryFn: async () => { const response = await fetch("/readyz"); return { ok: response.ok, body: (await response.json().catch(() => ({}))) as Readiness }; },
  });
  const runners = useQuery(queries.runners());
  useEffect(() => { document.title = "Health · Soulcaster"; }, []);
  return (
    <div className="stack">
      <header className="page-head"><div><h1>Health</h1></div></header>
      <Panel title="Services">
        <Loaded query={ready} what="readiness" rows={2}>
          {({ ok, body }) => (
            <>
              <p><Badge tone={ok ? "good" : "bad"}>{ok ? "✓ Ready" : "✕ Not ready"}</Badge></p>
              <ul className="plain stack">{Object.entries(body.checks ?? {}).map(([name, state]) => {
                const good = state === "ok" || state === true;
                return <li key={name} className="row"><Badge tone={good ? "good" : "bad"}>{good ? "✓" : "✕"} {name}</Badge>{good ? null : <span className="wrap">{typeof state === "string" ? state : JSON.stringify(state)}</span>}</li>;
              })}</ul>
            </>
          )}
        </Loaded>
      </Panel>
      <Panel title="Runners">
        <Loaded query={runners} what="runners" rows={2}>
          {(list) => list.length === 0 ? <Empty title="No runner is alive"><p>Fixes wait until one comes. On this machine: <code>soulcaster doctor</code></p></Empty> : (
            <div className="scroll-x"><table><thead><tr><th scope="col">Runner</th><th scope="col">Sandbox</th><th scope="col">Agent</th><th scope="col">Load</th><th scope="col">Seen</th><th scope="col">Problem</th></tr></thead>
              <tbody>{list.map((r) => <tr key={r.runner + r.instance}><td>{r.runner} <span className="muted small">{r.instance}</span></td><td>{r.sandbox}</td><td>{r.agent}</td><td>{r.busy} of {r.slots}</td><td><Time at={r.seen_at} /></td><td className="wrap">{r.problem ?? ""}</td></tr>)}</tbody></table></div>
          )}
        </Loaded>
      </Panel>
    </div>
  );
}
