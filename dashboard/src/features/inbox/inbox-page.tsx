import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import * as queries from "@/api/queries";
import type { Cluster } from "@/api/types";
import { Empty, Loaded } from "@/components/states";
import { PageHead } from "@/components/ui";
import { useTyped } from "@/lib/typed";
import { ClusterList } from "./cluster-list";
import { FirstSteps } from "./first-steps";
import { Proposals } from "./proposals";
import { matches, rank, VIEWS, type View } from "./ranking";
import "./inbox.css";

export function InboxPage() {
  const query = useQuery(queries.clusters());
  const [params, setParams] = useSearchParams();
  const view = viewOf(params.get("view"));
  const find = params.get("q") ?? "";
  const set = (name: string, value: string): void => {
    setParams(
      (old) => {
        if (value) old.set(name, value);
        else old.delete(name);
        return old;
      },
      { replace: true },
    );
  };
  useEffect(() => {
    document.title = "Inbox · Soulcaster";
  }, []);
  return (
    <>
      <PageHead title="Inbox" actions={<Find value={find} set={set} />}>
        <p className="muted">
          What users report, grouped by problem, most pressing first. Open one: Soulcaster plans a fix in your code, you
          approve it, and a draft pull request comes out.
        </p>
      </PageHead>
      <Proposals />
      <Loaded query={query} what="clusters" rows={8}>
        {(list) =>
          list.length === 0 ? (
            <FirstSteps />
          ) : (
            <>
              <Views list={list} view={view} set={set} />
              <Found list={list} view={view} find={find} />
            </>
          )
        }
      </Loaded>
    </>
  );
}

function viewOf(name: string | null): View {
  return name !== null && name in VIEWS ? (name as View) : "open";
}

interface FindProps {
  readonly value: string;
  readonly set: (name: string, value: string) => void;
}

function Find({ value, set }: FindProps) {
  const navigate = useNavigate();
  const field = useRef<HTMLInputElement>(null);
  const [text, change] = useTyped(
    value,
    (next) => {
      set("q", next);
    },
    field,
  );
  return (
    <form
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim()) void navigate(`/find?q=${encodeURIComponent(text)}`);
      }}
    >
      <label>
        <span className="visually-hidden">Filter clusters; Enter searches all reports</span>
        <input
          id="inbox-search"
          type="search"
          placeholder="Filter, Enter: all reports"
          ref={field}
          value={text}
          onChange={(event) => {
            change(event.target.value);
          }}
        />
      </label>
    </form>
  );
}

function Views({
  list,
  view,
  set,
}: {
  readonly list: readonly Cluster[];
  readonly view: View;
  readonly set: FindProps["set"];
}) {
  return (
    <nav className="views" aria-label="Which clusters">
      {(Object.keys(VIEWS) as View[]).map((name) => (
        <button
          key={name}
          type="button"
          className="view"
          aria-pressed={view === name}
          onClick={() => {
            set("view", name === "open" ? "" : name);
          }}
        >
          {VIEWS[name]}{" "}
          <span className="view-count">{list.filter((cluster) => matches(cluster, name, "")).length}</span>
        </button>
      ))}
    </nav>
  );
}

function Found({
  list,
  view,
  find,
}: {
  readonly list: readonly Cluster[];
  readonly view: View;
  readonly find: string;
}) {
  const shown = useMemo(() => rank(list.filter((cluster) => matches(cluster, view, find))), [list, view, find]);
  if (shown.length > 0) return <ClusterList key={view} clusters={shown} />;
  return (
    <Empty title={find ? `No cluster here holds “${find}”` : `Nothing is ${VIEWS[view].toLowerCase()}`}>
      {find ? (
        <p>
          <Link to={`/find?q=${encodeURIComponent(find)}`}>Search all reports</Link>
        </p>
      ) : (
        <p className="muted">Other clusters are under “All”.</p>
      )}
    </Empty>
  );
}
