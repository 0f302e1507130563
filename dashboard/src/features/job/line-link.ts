import { useEffect, useState } from "react";
import type { LogStore } from "./log-store";

export interface Linked {
  readonly from: number;
  readonly to: number;
}

/** Indexes of the lines named in the address: `#a2L1532`, or a range `#a1L10-L20`; null while they are not there. */
export function useLinkedLines(store: LogStore, version: number): Linked | null {
  const [hash, setHash] = useState(window.location.hash);
  const [found, setFound] = useState<{ hash: string; linked: Linked } | null>(null);
  useEffect(() => {
    const changed = (): void => {
      setHash(window.location.hash);
    };
    window.addEventListener("hashchange", changed);
    return () => {
      window.removeEventListener("hashchange", changed);
    };
  }, []);
  useEffect(() => {
    if (found?.hash === hash) return;
    const linked = linkedIn(store, hash);
    if (linked) setFound({ hash, linked });
  }, [store, version, hash, found]);
  return found?.hash === hash ? found.linked : null;
}

export function linkedIn(store: LogStore, hash: string): Linked | null {
  const match = /^#a(\d+)L(\d+)(?:-L(\d+))?$/.exec(hash);
  if (!match) return null;
  const from = store.indexOf(Number(match[1]), Number(match[2]) - 1);
  if (from < 0) return null;
  const last = match[3] ? store.indexOf(Number(match[1]), Number(match[3]) - 1) : from;
  return { from, to: Math.max(from, last) };
}
