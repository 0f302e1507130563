import { useLayoutEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { action, keyOf, keysEnabled, type ActionId } from "./keymap";

/** What the page can do now; left out or undefined is what it cannot. */
export type Acts = Partial<Record<ActionId, (() => void) | undefined>>;

const PREFIX_MS = 1500;
const pages: { current: Acts }[] = [];
let prefixed = 0;

/**
 * What parts of a page do, by single keys and from the palette. The part that was drawn last wins; what `everywhere` says
 * holds where no part says otherwise. Layout effects, because a key pressed right after the page was drawn must find
 * them: effects proper come later.
 */
export function useKeys(acts: Acts, everywhere = false): void {
  const current = useRef(acts);
  useLayoutEffect(() => {
    current.current = acts;
  });
  useLayoutEffect(() => {
    if (pages.length === 0) window.addEventListener("keydown", pressed);
    if (everywhere) pages.push(current);
    else pages.unshift(current);
    changed();
    return () => {
      pages.splice(pages.indexOf(current), 1);
      changed();
      if (pages.length === 0) window.removeEventListener("keydown", pressed);
    };
  }, [everywhere]);
}

/** Everything the page can do now. */
export function possible(): ReadonlyMap<ActionId, () => void> {
  const found = new Map<ActionId, () => void>();
  for (const page of pages)
    for (const [id, act] of Object.entries(page.current) as [ActionId, Acts[ActionId]][])
      if (act && !found.has(id)) found.set(id, act);
  return found;
}

const listeners = new Set<() => void>();
let version = 0;
function changed(): void {
  version += 1;
  for (const listener of listeners) listener();
}

/** Draws again when parts of the page come or go, so that what is possible is asked anew. */
export function usePossible(): ReadonlyMap<ActionId, () => void> {
  const now = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => version,
  );
  return useMemo(() => possible(), [now]); // eslint-disable-line react-hooks/exhaustive-deps -- the version is the content
}

/** Off while typing, while a dialog is open, and when the person turned them off. */
function pressed(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !keysEnabled()) return;
  const target = event.target instanceof Element ? event.target : null;
  if (target?.closest("input:not([type=checkbox]), textarea, select, [contenteditable], [role=dialog]")) return;
  if (event.key === "Enter" && target?.closest("a, button, summary, input")) return;
  if (event.key === " " && target?.closest("button, summary, [role=log]")) return;
  const after = Date.now() < prefixed;
  if (event.key !== "Shift") prefixed = 0;
  for (const [id, act] of possible()) {
    if (keyOf(id) !== event.key || (action(id).where === "Go to") !== after) continue;
    event.preventDefault();
    act();
    return;
  }
}

/** The next key goes to a page. */
export function prefix(): void {
  prefixed = Date.now() + PREFIX_MS;
}
