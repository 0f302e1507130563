import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useState, type RefObject } from "react";
import { useStable } from "@/lib/stable";

/** Height of a row in pixels: also of the link on its number, which WCAG 2.2 (2.5.8) wants to be 24. */
export const ROW = 24;
const OVER = 20;

export interface RowsWindow {
  readonly total: number;
  readonly items: readonly { readonly index: number; readonly start: number }[];
  readonly measure: ((element: Element | null) => void) | undefined;
  readonly scrollTo: (index: number, align: "center" | "end") => void;
}

/**
 * Which rows of the log are drawn. Lines that do not wrap are all of one height, so that place is arithmetic and 200,000
 * of them cost nothing; lines that wrap are measured by TanStack Virtual.
 */
export function useRowsWindow(box: RefObject<HTMLElement | null>, count: number, wrap: boolean): RowsWindow {
  const measured = useVirtualizer({
    count: wrap ? count : 0,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: OVER,
  });
  const [[top, height], look] = useScroll(box);
  if (wrap) {
    return {
      total: measured.getTotalSize(),
      items: measured.getVirtualItems(),
      measure: measured.measureElement,
      scrollTo: (index, align) => {
        measured.scrollToIndex(index, { align });
      },
    };
  }
  const from = Math.max(0, Math.floor(top / ROW) - OVER);
  const to = Math.min(count, Math.ceil((top + height) / ROW) + OVER);
  return {
    total: count * ROW,
    items: Array.from({ length: Math.max(0, to - from) }, (_, i) => ({ index: from + i, start: (from + i) * ROW })),
    measure: undefined,
    scrollTo: (index, align) => {
      const element = box.current;
      if (!element) return;
      const away = align === "end" ? element.clientHeight - ROW : (element.clientHeight - ROW) / 2;
      element.scrollTop = Math.max(0, index * ROW - away);
      look(); // now, not with the scroll event: rows of the old place would leave a blank frame
    },
  };
}

type At = readonly [top: number, height: number];

function useScroll(box: RefObject<HTMLElement | null>): readonly [at: At, look: () => void] {
  const [at, setAt] = useState<At>([0, 600]);
  const look = useStable((): void => {
    const element = box.current;
    if (!element) return;
    setAt((old) => {
      const next = [Math.floor(element.scrollTop / ROW) * ROW, element.clientHeight] as const;
      return old[0] === next[0] && old[1] === next[1] ? old : next;
    });
  });
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const watch = new ResizeObserver(look);
    watch.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    look();
    return () => {
      watch.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, [box, look]);
  return [at, look];
}
