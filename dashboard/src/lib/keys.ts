import { useLayoutEffect, useRef } from "react";

const STORED = "soulcaster.keys";

/**
 * Single-key shortcuts of a page; off while typing, while a dialog is open, and when the person turned them off. Layout
 * effects, because a key pressed right after the page was drawn must find them: effects proper come later.
 */
export function useKeys(keys: Record<string, () => void>): void {
  const current = useRef(keys);
  useLayoutEffect(() => {
    current.current = keys;
  });
  useLayoutEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !keysEnabled()) return;
      const target = event.target as HTMLElement | null;
      if (target?.closest("input:not([type=checkbox]), textarea, select, [contenteditable], [role=dialog], .log"))
        return;
      if (event.key === "Enter" && target?.closest("a, button, summary, input")) return;
      const act = current.current[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    window.addEventListener("keydown", pressed);
    return () => {
      window.removeEventListener("keydown", pressed);
    };
  }, []);
}

/** WCAG 2.2, 2.1.4: single-character shortcuts can be turned off (Settings). */
export function keysEnabled(): boolean {
  return localStorage.getItem(STORED) !== "off";
}

export function enableKeys(on: boolean): void {
  if (on) localStorage.removeItem(STORED);
  else localStorage.setItem(STORED, "off");
}
