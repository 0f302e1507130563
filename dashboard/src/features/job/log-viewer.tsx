import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore, type KeyboardEvent } from "react";
import { useSearchParams } from "react-router";
import { useStream } from "@/api/live";
import type { LogChunk } from "@/api/types";
import { Button } from "@/components/ui";
import { url } from "@/lib/http";
import { duration } from "@/lib/time";
import { lineHtml } from "./ansi";
import { LogStore, rowsOf, type Group, type Line } from "./log-store";
import "./log-viewer.css";

const ROW = 20;

/** A job's log, live: follows while at the end, never yanks the scroll, searches all of it, links to a line. */
export function LogViewer({ jobId }: { readonly jobId: string }) {
  const store = useMemo(() => new LogStore(), [jobId]); // eslint-disable-line react-hooks/exhaustive-deps -- a new job is a new log
  useSyncExternalStore(store.subscribe, () => store.version);
  const onEvent = useCallback((data: string, name: string) => {
    if (name === "message" || name === "log") store.add(JSON.parse(data) as LogChunk);
  }, [store]);
  const connection = useStream(`/jobs/${jobId}/logs/stream`, { onEvent, names: ["message", "log"] });
  useEffect(() => { if (connection === "ended") store.finish(); }, [connection, store]);

  const [params, setParams] = useSearchParams();
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const [wrap, setWrap] = useState(false);
  const [following, setFollowing] = useState(!window.location.hash.startsWith("#a"));
  const [seen, setSeen] = useState(0);
  const query = params.get("find") ?? "";
  const version = store.version;
  const rows = useMemo(() => rowsOf(store, folded), [store, folded, version]); // eslint-disable-line react-hooks/exhaustive-deps -- version is the content
  const hits = useMemo(() => store.search(query), [store, query, version]); // eslint-disable-line react-hooks/exhaustive-deps
  const hitSet = useMemo(() => new Set(hits), [hits]);
  const [hit, setHit] = useState(0);

  const box = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length, getScrollElement: () => box.current, estimateSize: () => ROW, overscan: 30,
    getItemKey: (index) => { const row = rows[index]; return !row ? index : row.kind === "group" ? row.group.key : `l${String(row.index)}`; },
  });
  const count = rows.length;
  useEffect(() => {
    if (following && count > 0) { virtual.scrollToIndex(count - 1, { align: "end" }); setSeen(store.lines.length); }
  }, [following, count, store, virtual]);

  const showLine = useCallback((index: number) => {
    setFollowing(false);
    const group = store.groups.find((g) => index >= g.start && index < g.end);
    setFolded((old) => { if (!group || !old.has(group.key)) return old; const next = new Set(old); next.delete(group.key); return next; });
    requestAnimationFrame(() => {
      const at = rowsOf(store, folded).findIndex((row) => row.kind === "line" && row.index === index);
      if (at >= 0) virtual.scrollToIndex(at, { align: "center" });
    });
  }, [store, folded, virtual]);

  const linked = useLinkedLine(store, showLine);

  const step = (by: number): void => {
    if (!hits.length) return;
    const next = (hit + by + hits.length) % hits.length;
    setHit(next);
    const index = hits[next];
    if (index !== undefined) showLine(index);
  };
  const onScroll = (): void => {
    const element = box.current;
    if (!element) return;
    const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < ROW * 2;
    if (!atEnd && following && element.scrollTop < lastTop.current - 4) setFollowing(false);
    lastTop.current = element.scrollTop;
  };
  const lastTop = useRef(0);
  const onKey = (event: KeyboardEvent): void => {
    if (event.target instanceof HTMLInputElement) return;
    if (event.key === "F") setFollowing((now) => !now);
    else if (event.key === "n") step(1);
    else if (event.key === "N") step(-1);
    else if (event.key === "w") setWrap((now) => !now);
    else if (event.key === "/") { event.preventDefault(); find.current?.focus(); }
    else return;
  };
  const find = useRef<HTMLInputElement>(null);
  const fresh = store.lines.length - seen;

  return (
    <div className="log" onKeyDown={onKey} role="presentation">
      <div className="log-bar">
        <label className="log-find"><span className="visually-hidden">Search the log</span>
          <input ref={find} type="search" placeholder="Search the log" value={query}
            onChange={(e) => { const v = e.target.value; setHit(0); setParams((old) => { if (v) old.set("find", v); else old.delete("find"); return old; }, { replace: true, preventScrollReset: true }); }}
            onKeyDown={(e) => { if (e.key === "Enter") step(e.shiftKey ? -1 : 1); }} />
        </label>
        {query ? <span className="small" role="status">{hits.length ? `${String(hit + 1)} of ${String(hits.length)}` : "not found"}</span> : null}
        {query ? <><Button kind="quiet" onClick={() => { step(-1); }}>Previous</Button><Button kind="quiet" onClick={() => { step(1); }}>Next</Button></> : null}
        <span className="log-space" />
        <span className={`badge tone-${connection === "live" ? "live" : connection === "reconnecting" ? "warn" : "muted"}`} role="status">{LABELS[connection]}</span>
        <Button kind="quiet" aria-pressed={following} onClick={() => { setFollowing((now) => !now); }}>{following ? "Following" : "Follow"}</Button>
        <Button kind="quiet" aria-pressed={wrap} onClick={() => { setWrap((now) => !now); }}>Wrap</Button>
        <a className="button button-quiet" href={url(`/jobs/${jobId}/logs/raw`)} download={`${jobId}.log`}>Download</a>
      </div>
      <div ref={box} className={wrap ? "log-box log-wrap" : "log-box"} onScroll={onScroll} role="log" aria-live="off" aria-label="Log of the job" tabIndex={0}>
        {count === 0 ? <p className="log-empty">{connection === "ended" ? "Nothing was printed." : "Waiting for the first line."}</p> : null}
        <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index];
            if (!row) return null;
            return (
              <div key={item.key} data-index={item.index} ref={virtual.measureElement} className="log-row" style={{ transform: `translateY(${String(item.start)}px)` }}>
                {row.kind === "group"
                  ? <GroupHead group={row.group} folded={folded.has(row.group.key)} toggle={() => { setFolded((old) => { const next = new Set(old); if (!next.delete(row.group.key)) next.add(row.group.key); return next; }); }} />
                  : <LineRow line={row.line} found={hitSet.has(row.index)} current={hits[hit] === row.index && Boolean(query)} linked={linked === row.index} />}
              </div>
            );
          })}
        </div>
      </div>
      {!following && fresh > 0 ? <Button className="button log-new" onClick={() => { setFollowing(true); }}>↓ {String(fresh)} new lines</Button> : null}
    </div>
  );
}

const LABELS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", ended: "Complete" };

function GroupHead({ group, folded, toggle }: { readonly group: Group; readonly folded: boolean; readonly toggle: () => void }) {
  const seconds = (Date.parse(group.endedAt) - Date.parse(group.startedAt)) / 1000;
  return (
    <button type="button" className="log-group" aria-expanded={!folded} onClick={toggle}>
      <span aria-hidden="true">{folded ? "▸" : "▾"}</span> {group.phase}{group.step ? ` · ${group.step}` : ""}
      <span className="log-note">attempt {group.attempt} · {duration(seconds)} · {group.end - group.start} lines</span>
    </button>
  );
}

function LineRow({ line, found, current, linked }: { readonly line: Line; readonly found: boolean; readonly current: boolean; readonly linked: boolean }) {
  const id = `a${String(line.attempt)}L${String(line.n)}`;
  const html = useMemo(() => lineHtml(line.text), [line.text]);
  return (
    <div className={`log-line${found ? " log-hit" : ""}${current ? " log-current" : ""}${linked ? " log-linked" : ""} log-${line.stream}`}>
      <a className="log-number" href={`#${id}`} aria-label={`Link to line ${String(line.n + 1)}`}>{line.n + 1}</a>
      <span className="log-text" dangerouslySetInnerHTML={{ __html: html }} />
    </div>
  );
}

/** The line named in the address (``#a1L20``), scrolled to once it is there. */
function useLinkedLine(store: LogStore, show: (index: number) => void): number | undefined {
  const [hash, setHash] = useState(window.location.hash);
  const done = useRef("");
  useEffect(() => {
    const changed = (): void => { setHash(window.location.hash); };
    window.addEventListener("hashchange", changed);
    return () => { window.removeEventListener("hashchange", changed); };
  }, []);
  const match = /^#a(\d+)L(\d+)/.exec(hash);
  const index = match ? store.lines.findIndex((l) => l.attempt === Number(match[1]) && l.n === Number(match[2])) : -1;
  useEffect(() => {
    if (index >= 0 && done.current !== hash) { done.current = hash; show(index); }
  }, [index, hash, show]);
  return index >= 0 ? index : undefined;
}
