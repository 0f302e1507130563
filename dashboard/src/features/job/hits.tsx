import { useMemo, useState, type CSSProperties } from "react";
import type { LogRows } from "./log-rows";
import type { LogStore } from "./log-store";

/** Lines of the whole log that hold the text, and the one a person has stepped to. */
export function useHits(store: LogStore, query: string, version: number) {
  const all = useMemo(() => store.search(query), [store, query, version]); // eslint-disable-line react-hooks/exhaustive-deps -- the version is the content
  const set = useMemo(() => new Set(all), [all]);
  const [at, setAt] = useState(-1);
  return {
    all,
    set,
    at,
    current: query && at >= 0 ? all[at] : undefined,
    reset: () => {
      setAt(-1);
    },
    step: (by: number): number | undefined => {
      if (!all.length) return undefined;
      const next = at < 0 && by < 0 ? all.length - 1 : (at + by + all.length) % all.length;
      setAt(next);
      return all[next];
    },
  };
}

/** Where the matches are, along the scroll bar. */
export function Rail({
  hits,
  rows,
  style,
}: {
  readonly hits: readonly number[];
  readonly rows: LogRows;
  readonly style: CSSProperties | undefined;
}) {
  const every = Math.max(1, Math.ceil(hits.length / 200));
  const marks = hits.filter((_, at) => at % every === 0);
  return (
    <div className="log-rail" style={style} aria-hidden="true">
      {marks.map((index) => (
        <i key={index} style={{ top: `${String((rows.rowOf(index) / Math.max(1, rows.count)) * 100)}%` }} />
      ))}
    </div>
  );
}
