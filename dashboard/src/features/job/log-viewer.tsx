import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type CSSProperties } from "react";
import { useSearchParams } from "react-router";
import { toast } from "@/components/toast";
import { Button } from "@/components/ui";
import { toClipboard } from "@/lib/clipboard";
import { useKeys } from "@/lib/keys";
import { useStable } from "@/lib/stable";
import type { JobLog } from "./job-log";
import { useFollow } from "./follow";
import { Rail, useHits } from "./hits";
import { LogBar } from "./log-bar";
import { anchor, LogRow } from "./log-lines";
import { LogRows, phaseKey, type Folds } from "./log-rows";
import type { LogStore, Part } from "./log-store";
import { useLinkedLines } from "./line-link";
import { ROW, useRowsWindow } from "./rows-window";
import { Spoken } from "./spoken";
import "./log-viewer.css";

interface Props {
  readonly jobId: string;
  readonly log: JobLog;
}

/** A job's log, live: follows while at the end, never yanks the scroll, searches all of it, links to a line. */
export function LogViewer({ jobId, log }: Props) {
  const { store, version, connection } = log;
  const box = useRef<HTMLDivElement>(null);
  const find = useRef<HTMLInputElement>(null);
  const [params, setParams] = useSearchParams();
  const query = params.get("find") ?? "";
  const [wrap, setWrap] = useState(false);
  const [times, setTimes] = useState(false);
  const [folds, setFolds] = useState<Folds>(new Map());
  const rows = useMemo(() => new LogRows(store, folds), [store, folds, version]); // eslint-disable-line react-hooks/exhaustive-deps -- the version is the content
  const view = useRowsWindow(box, rows.count, wrap);
  const linked = useLinkedLines(store, version);
  const follow = useFollow(box, store, view, rows.count, linked !== null);
  const hits = useHits(store, query, version);
  const show = useShow(store, setFolds, follow.stop, view.scrollTo, folds);

  const step = useStable((by: number): void => {
    const index = hits.step(by);
    if (index !== undefined) show(index);
  });
  const toggleFollow = useStable(follow.toggle);
  const toggleWrap = useStable(() => {
    setWrap((now) => !now);
  });
  const toggleTimes = useStable(() => {
    setTimes((now) => !now);
  });
  const foldAll = useStable((folded: boolean) => {
    setFolds(new Map(store.parts.map((part, number) => [String(number), folded && part.step !== null])));
  });
  const setQuery = useStable((value: string) => {
    hits.reset();
    setParams(
      (old) => {
        if (value) old.set("find", value);
        else old.delete("find");
        return old;
      },
      { replace: true, preventScrollReset: true },
    );
  });
  const linkedFrom = linked?.from;
  const shown = useRef<number | undefined>(undefined);
  useEffect(() => {
    if (linkedFrom === undefined || shown.current === linkedFrom) return;
    shown.current = linkedFrom;
    show(linkedFrom);
  }, [linkedFrom, show]);
  const toggle = useCallback(
    (part: Part, phase: boolean) => {
      const number = store.parts.indexOf(part);
      const key = phase ? phaseKey(number) : String(number);
      setFolds((old) => new Map(old).set(key, !foldedNow(store, old, number, phase)));
    },
    [store],
  );
  const top = (): number => Math.floor((box.current?.scrollTop ?? 0) / ROW);
  const nextError = (): void => {
    const here = rows.row(top() + 1);
    const from = here && "index" in here ? here.index : (here?.part.start ?? 0);
    const index = store.lines.findIndex(
      (line, at) => at > from && (line.stream === "stderr" || /^ {2}exit code [1-9]/.test(line.text)),
    );
    if (index >= 0) show(index);
    else toast("No further error in the log");
  };
  const phase = (by: number): void => {
    const all = rows.phaseRows();
    const to = by > 0 ? all.find((row) => row > top() + 1) : all.findLast((row) => row < top() - 1);
    follow.stop();
    if (to !== undefined && box.current) box.current.scrollTop = to * ROW;
  };
  const copyLink = (): void => {
    const row = linked ? rows.row(rows.rowOf(linked.from)) : rows.row(top() + 1);
    const line = row && "line" in row ? row.line : store.lines[row?.part.start ?? 0];
    if (!line) return;
    const at = new URL(window.location.href);
    at.hash = anchor(line);
    window.history.replaceState(window.history.state, "", at);
    void toClipboard(at.href).then((copied) => {
      toast(copied ? `Link to line ${String(line.n + 1)} copied` : "The link stands in the address bar; copy it there");
    });
  };
  const forward = (): void => {
    step(1);
  };
  const back = (): void => {
    step(-1);
  };
  useKeys({
    follow: connection === "ended" ? undefined : follow.toggle,
    "hit.next": query ? forward : undefined,
    "hit.previous": query ? back : undefined,
    wrap: toggleWrap,
    times: toggleTimes,
    "error.next": nextError,
    "phase.previous": () => {
      phase(-1);
    },
    "phase.next": () => {
      phase(1);
    },
    copy: copyLink,
    search: () => find.current?.focus(),
  });
  const fresh = follow.fresh;
  // A short log that has ended takes no more room than it needs; one that runs would jump with each line.
  const height =
    store.ended || rows.count === 0
      ? { height: `min(68vh, 820px, ${String(Math.max(view.total, 60) + 16)}px)` }
      : undefined;
  return (
    <div className="log" style={digits(store)}>
      <LogBar
        jobId={jobId}
        find={find}
        query={query}
        setQuery={setQuery}
        hit={hits.at}
        hits={hits.all.length}
        step={step}
        connection={connection}
        following={follow.on}
        toggleFollow={toggleFollow}
        wrap={wrap}
        toggleWrap={toggleWrap}
        times={times}
        toggleTimes={toggleTimes}
        foldAll={foldAll}
      />
      <div
        ref={box}
        style={height}
        className={wrap ? "log-box log-wrap" : "log-box"}
        onScroll={follow.scrolled}
        role="log"
        aria-live="off"
        aria-label="Log of the job"
        tabIndex={0}
      >
        {rows.count === 0 ? (
          <p className="log-empty">{connection === "ended" ? "Nothing was printed." : "Waiting for the first line…"}</p>
        ) : null}
        <div className="log-all" style={{ height: view.total }}>
          {view.items.map(({ index, start }) => {
            const row = rows.row(index);
            if (!row) return null;
            const line = row.kind === "line" ? row.index : row.kind === "step" ? row.part.start : -1;
            return (
              <div
                key={index}
                data-index={index}
                ref={view.measure}
                className="log-row"
                style={{ transform: `translateY(${String(start)}px)` }}
              >
                <LogRow
                  row={row}
                  found={hits.set.has(line)}
                  current={line >= 0 && hits.current === line}
                  linked={linked !== null && line >= linked.from && line <= linked.to}
                  times={times}
                  toggle={toggle}
                />
              </div>
            );
          })}
        </div>
      </div>
      {query && !wrap ? <Rail hits={hits.all} rows={rows} style={height} /> : null}
      {fresh > 0 ? (
        <div className="log-new">
          <Button kind="primary" onClick={follow.start}>
            ↓ {fresh.toLocaleString("en")} new lines
          </Button>
        </div>
      ) : null}
      <Spoken store={store} version={version} />
    </div>
  );
}

/** How wide the numbers are: as many digits as the longest has. */
function digits(store: LogStore): CSSProperties {
  return { "--digits": String((store.lines.at(-1)?.n ?? 0) + 1).length } as CSSProperties;
}

function foldedNow(store: LogStore, folds: Folds, number: number, phase: boolean): boolean {
  const rows = new LogRows(store, folds);
  const part = store.parts[number];
  if (!part) return false;
  if (phase) return folds.get(phaseKey(number)) ?? false;
  const row = rows.row(rows.rowOf(part.start));
  return row?.kind === "step" && row.folded;
}

type View = ReturnType<typeof useRowsWindow>;

/** Brings a line into view: opens what hides it, and stops following. */
function useShow(
  store: LogStore,
  setFolds: React.Dispatch<React.SetStateAction<Folds>>,
  stop: () => void,
  scrollTo: View["scrollTo"],
  folds: Folds,
) {
  const now = useRef({ scrollTo, folds });
  useLayoutEffect(() => {
    now.current = { scrollTo, folds };
  });
  return useCallback(
    (index: number) => {
      stop();
      const number = store.parts.findLastIndex((part) => part.start <= index);
      const phase = store.parts.findLastIndex((part, at) => at <= number && part.opens);
      setFolds((old) => new Map(old).set(String(number), false).set(phaseKey(phase), false));
      requestAnimationFrame(() => {
        now.current.scrollTo(new LogRows(store, now.current.folds).rowOf(index), "center");
      });
    },
    [store, setFolds, stop],
  );
}
