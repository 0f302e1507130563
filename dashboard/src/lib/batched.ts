import { useCallback, useEffect, useRef } from "react";
import { useStable } from "./stable";

const TOGETHER_MS = 80;

/** Collects what is given within a moment and acts once on all of it. */
export function useBatched<T>(act: (items: readonly T[]) => void): (item: T) => void {
  const held = useRef<T[]>([]);
  const timer = useRef(0);
  const newest = useStable(act);
  useEffect(
    () => () => {
      window.clearTimeout(timer.current);
      held.current = [];
    },
    [],
  );
  return useCallback(
    (item: T) => {
      held.current.push(item);
      if (held.current.length > 1) return;
      timer.current = window.setTimeout(() => {
        const items = held.current;
        held.current = [];
        newest(items);
      }, TOGETHER_MS);
    },
    [newest],
  );
}
