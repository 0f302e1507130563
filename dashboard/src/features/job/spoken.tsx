import { useEffect, useRef, useState } from "react";
import type { LogStore } from "./log-store";

const EVERY_MS = 10_000;

/**
 * What a screen reader hears of a log that runs: a new phase at once, else a summary at most every ten seconds. The log
 * itself is not read out: a thousand lines a second are not news.
 */
export function Spoken({ store, version }: { readonly store: LogStore; readonly version: number }) {
  const [text, setText] = useState("");
  const said = useRef({ at: 0, phase: "" });
  useEffect(() => {
    const last = store.parts.at(-1);
    if (!last || store.ended) return;
    const phase = `${String(last.attempt)} ${last.phase}`;
    const now = Date.now();
    if (phase === said.current.phase && now - said.current.at < EVERY_MS) return;
    said.current = { at: now, phase };
    setText(`${last.phase}, attempt ${String(last.attempt)}: ${String(store.lines.length)} lines so far`);
  }, [store, version]);
  return (
    <p className="visually-hidden" role="status">
      {text}
    </p>
  );
}
