import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { Link, useSearchParams } from "react-router";
import * as queries from "@/api/queries";
import type { SearchResult } from "@/api/types";
import { sourceName, SourceTiles } from "@/components/icons";
import { Empty, Loaded } from "@/components/states";
import { Badge, Button, PageHead, Panel, StatusBadge, Time, Untrusted } from "@/components/ui";
import { useKeys } from "@/lib/keys";
import { plural } from "@/lib/plural";

export function SearchPage() {
  const [params, setParams] = useSearchParams();
  const q = params.get("q") ?? "";
  const [text, setText] = useState(q);
  const query = useQuery(queries.search(q));
  const field = useRef<HTMLInputElement>(null);
  useKeys({ search: () => field.current?.focus() });
  useEffect(() => {
    if (!q) field.current?.focus(); // nothing else to do here yet
  }, [q]);
  useEffect(() => {
    document.title = q ? `${q} · Search · Soulcaster` : "Search · Soulcaster";
  }, [q]);
  return (
    <>
      <PageHead title="Search" trail={<Link to="/">Inbox</Link>}>
        <p className="muted">Every report and every cluster of the project.</p>
      </PageHead>
      <form
        role="search"
        className="row search-form"
        onSubmit={(event) => {
          event.preventDefault();
          setParams(text.trim() ? { q: text.trim() } : {});
        }}
      >
        <input
          type="search"
          aria-label="Search for"
          ref={field}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
          }}
        />
        <Button kind="primary" type="submit">
          Search
        </Button>
      </form>
      {q ? (
        <Loaded query={query} what="what matches">
          {(found) => <Results found={found} q={q} />}
        </Loaded>
      ) : (
        <Empty title="What are you looking for?">
          <p className="muted">
            Words of a title or of what users wrote, an error’s name, a file, an order number. Merged and dismissed
            clusters are found as well.
          </p>
        </Empty>
      )}
    </>
  );
}

function Results({ found, q }: { readonly found: SearchResult; readonly q: string }) {
  if (!found.clusters.length && !found.feedback.length) {
    return (
      <Empty title={`Nothing holds “${q}”`}>
        <p className="muted">Fewer words find more; parts of words count too, so “pass” finds “password”.</p>
        <p>
          <Link to="/?view=all">All clusters</Link>
        </p>
      </Empty>
    );
  }
  return (
    <div className="stack">
      <Panel title={plural(found.clusters.length, "cluster")}>
        <ul className="plain rows">
          {found.clusters.map((cluster) => (
            <li key={cluster.id} className="spread">
              <Link className="wrap" to={`/c/${cluster.id}`}>
                <Untrusted text={cluster.title} />
              </Link>
              <span className="row small">
                <SourceTiles sources={cluster.sources} />
                <StatusBadge status={cluster.status} /> {plural(cluster.count, "report")}
              </span>
            </li>
          ))}
        </ul>
      </Panel>
      <Panel title={plural(found.feedback.length, "report")}>
        <ul className="plain rows">
          {found.feedback.map((item) => (
            <li key={item.id} className="stack-tight">
              <span className="spread">
                {item.cluster_id ? (
                  <Link className="wrap" to={`/c/${item.cluster_id}#${item.id}`}>
                    <Untrusted text={item.title} />
                  </Link>
                ) : (
                  <Untrusted text={item.title} />
                )}
                <span className="row small">
                  <Badge>{sourceName(item.source)}</Badge> <Time at={item.created_at} />
                </span>
              </span>
              <span className="small muted wrap clip-2">
                <Untrusted text={item.body.slice(0, 300)} />
              </span>
            </li>
          ))}
        </ul>
      </Panel>
    </div>
  );
}
