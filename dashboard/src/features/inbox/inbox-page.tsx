import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import * as queries from "@/api/queries";
import type { Cluster } from "@/api/types";
import { Loaded } from "@/components/states";
import { Badge, StatusBadge, Time, TrustBadge } from "@/components/ui";
import { useKeys } from "@/lib/keys";
import { FirstSteps } from "./first-steps";
import { matches, rank, VIEWS, type View } from "./ranking";
import "./inbox.css";

const SEVERITY: Record<string, string> = { critical: "bad", high: "warn", medium: "accent", low: "muted" };

export function InboxPage() {
  const query = useQuery(queries.clusters());
  const [params, setParams] = useSearchParams();
  const view = (params.get("view") ?? "open") as View;
  const find = params.get("q") ?? "";
  const set = (name: string, value: string): void => {
    setParams((old) => { if (value) old.set(name, value); else old.delete(name); return old; }, { replace: true });
  };
  useEffect(() => { document.title = "Inbox · Soulcaster"; }, []);
  return (
    <>
      <header className="page-head">
        <div><h1>Inbox</h1><p className="muted">What users report, grouped; most pressing first.</p></div>
        <div className="row">
          <label><span className="visually-hidden">Search clusters</span><input id="inbox-search" type="search" placeholder="Search  ( / )" value={find} onChange={(e) => { set("q", e.target.value); }} /></label>
          <label><span className="visually-hidden">Show</span>
            <select value={view} onChange={(e) => { set("view", e.target.value === "open" ? "" : e.target.value); }}>
              {Object.entries(VIEWS).map(([name, label]) => <option key={name} value={name}>{label}</option>)}
            </select>
          </label>
        </div>
      </header>
      <Loaded query={query} what="clusters" rows={8}>
        {(list) => list.length === 0 ? <FirstSteps /> : <List list={list} view={view} find={find} />}
      </Loaded>
    </>
  );
}

function List({ list, view, find }: { readonly list: readonly Cluster[]; readonly view: View; readonly find: string }) {
  const navigate = useNavigate();
  const shown = useMemo(() => rank(list.filter((cluster) => matches(cluster, view, find))), [list, view, find]);
  const [limit, setLimit] = useState(60);
  const [at, setAt] = useState(0);
  const box = useRef<HTMLUListElement>(null);
  const go = (to: number): void => {
    const next = Math.max(0, Math.min(to, shown.length - 1));
    setAt(next);
    box.current?.querySelectorAll<HTMLAnchorElement>("a.cluster-title")[next]?.focus();
  };
  useKeys({
    j: () => { go(at + 1); }, k: () => { go(at - 1); },
    Enter: () => { const c = shown[at]; if (c) void navigate(`/c/${c.id}`); },
    p: () => { const c = shown[at]; if (c) void navigate(`/c/${c.id}#plan`); },
    "/": () => { document.getElementById("inbox-search")?.focus(); },
  });
  if (shown.length === 0) return <p className="muted">Nothing here matches. Other clusters are under “All”.</p>;
  return (
    <>
      <ul className="clusters" ref={box}>
        {shown.slice(0, limit).map((cluster, index) => (
          <li key={cluster.id} className={index === at ? "cluster cluster-at" : "cluster"} onFocus={() => { setAt(index); }}>
            <span className="cluster-count" title={`${String(cluster.count)} reports`}><strong>{cluster.count}</strong><span className="small muted">report{cluster.count === 1 ? "" : "s"}</span></span>
            <div className="cluster-body">
              <Link className="cluster-title wrap" to={`/c/${cluster.id}`}>{cluster.title || "Untitled"}</Link>
              {cluster.summary ? <p className="small muted wrap cluster-summary">{cluster.summary}</p> : null}
              <p className="row small">
                <StatusBadge status={cluster.status} />
                {cluster.regressed_at ? <Badge tone="bad" title="New reports came after it was resolved.">↻ Regressed</Badge> : null}
                <Badge tone={SEVERITY[cluster.severity] ?? "muted"}>{cluster.severity}</Badge>
                <TrustBadge trust={cluster.trust} />
                <span className="muted">{cluster.sources.join(", ")} · last <Time at={cluster.last_seen} />{cluster.users_affected > 0 ? ` · ${String(cluster.users_affected)} users` : ""}</span>
              </p>
            </div>
            {cluster.github_pr_url ? <a className="button" href={cluster.github_pr_url}>Pull request</a> : null}
          </li>
        ))}
      </ul>
      {shown.length > limit ? <button type="button" className="button" onClick={() => { setLimit(limit + 200); }}>Show {shown.length - limit} more</button> : null}
      <p className="small muted keys-hint"><kbd>j</kbd> <kbd>k</kbd> move · <kbd>Enter</kbd> open · <kbd>p</kbd> plan · <kbd>/</kbd> search · <kbd>?</kbd> all keys</p>
    </>
  );
}
