import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { useSearchParams } from "react-router";
import * as queries from "@/api/queries";
import { sourceName, SourceTiles } from "@/components/icons";
import { Loaded } from "@/components/states";
import { PageHead } from "@/components/ui";
import { plural } from "@/lib/plural";
import { SourcePanel } from "./source-panel";
import { VENDORS } from "./vendors";
import "./sources.css";

export function SourcesPage() {
  const query = useQuery(queries.stats());
  const [params, setParams] = useSearchParams();
  const vendor = VENDORS.find((one) => one.name === params.get("source")) ?? VENDORS[0];
  useEffect(() => {
    document.title = "Sources · Soulcaster";
  }, []);
  return (
    <>
      <PageHead title="Sources">
        <p className="muted">Where reports come from. Each has its address, its secret and its steps.</p>
      </PageHead>
      <Loaded query={query} what="sources">
        {(stats) => (
          <div className="sources">
            <nav aria-label="Sources">
              <ul className="plain source-list">
                {VENDORS.map((one) => {
                  const count = stats.by_source[one.name] ?? 0;
                  return (
                    <li key={one.name}>
                      <button
                        type="button"
                        className="source"
                        aria-pressed={one === vendor}
                        onClick={() => {
                          setParams({ source: one.name }, { replace: true });
                        }}
                      >
                        <SourceTiles sources={[one.name]} />
                        <span className="source-name">{sourceName(one.name)}</span>
                        <span className="small muted">{count ? plural(count, "report") : "nothing yet"}</span>
                      </button>
                    </li>
                  );
                })}
              </ul>
            </nav>
            {vendor ? (
              <SourcePanel key={vendor.name} vendor={vendor} count={stats.by_source[vendor.name] ?? 0} />
            ) : null}
          </div>
        )}
      </Loaded>
    </>
  );
}
