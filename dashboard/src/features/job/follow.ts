import { useCallback, useLayoutEffect, useRef, useState, type RefObject } from "react";
import type { LogStore } from "./log-store";
import type { RowsWindow } from "./rows-window";

export interface Follow {
  readonly on: boolean;
  readonly fresh: number;
  readonly start: () => void;
  readonly stop: () => void;
  readonly toggle: () => void;
  readonly scrolled: () => void;
}

/** Follows the end while it is on; a scroll upwards switches it off, and nothing moves from then on. */
export function useFollow(
  box: RefObject<HTMLElement | null>,
  store: LogStore,
  view: RowsWindow,
  count: number,
  linked: boolean,
): Follow {
  const [on, setOn] = useState(!linked && !window.location.hash.startsWith("#a"));
  const [seen, setSeen] = useState(0);
  const lastTop = useRef(0);
  const { scrollTo } = view;
  const scroll = useRef(scrollTo);
  useLayoutEffect(() => {
    scroll.current = scrollTo;
  });
  const length = store.lines.length;
  useLayoutEffect(() => {
    if (!on || count === 0) return;
    scroll.current(count - 1, "end");
    lastTop.current = box.current?.scrollTop ?? 0;
  }, [on, count, length, box]);
  const stop = useCallback(() => {
    setOn(false);
    setSeen(store.lines.length);
  }, [store]);
  const start = (): void => {
    setOn(true);
  };
  return {
    on,
    fresh: on ? 0 : length - seen,
    start,
    stop,
    toggle: () => {
      if (on) stop();
      else start();
    },
    scrolled: () => {
      const now = box.current?.scrollTop ?? 0;
      if (on && now < lastTop.current - 2) stop();
      lastTop.current = now;
    },
  };
}
