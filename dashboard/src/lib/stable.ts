import { useCallback, useLayoutEffect, useRef } from "react";

/** A function that stays the same while what it does is always the newest: for parts that are drawn only when they change. */
export function useStable<A extends unknown[], R>(act: (...args: A) => R): (...args: A) => R {
  const newest = useRef(act);
  useLayoutEffect(() => {
    newest.current = act;
  });
  return useCallback((...args: A) => newest.current(...args), []);
}
