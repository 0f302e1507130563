import { useSyncExternalStore } from "react";

type Where = "Everywhere" | "Go to" | "Clusters and plans" | "Jobs and logs";
interface Entry {
  readonly where: Where;
  readonly what: string;
  /** As `KeyboardEvent.key` tells it; empty where there is none until a person gives one. */
  readonly key: string;
  /** The browser's own way to press a button or a link, or so near to it that it stays. */
  readonly fixed?: true;
  /** Only moves around, so the palette does not offer it. */
  readonly moves?: true;
}

/** Everything that a single key does. Those under "Go to" follow the key of `go`. */
export const ACTIONS = {
  search: { where: "Everywhere", what: "Search here", key: "/" },
  keys: { where: "Everywhere", what: "Show and change the keys", key: "?" },
  go: { where: "Everywhere", what: "Go to … (then one of the keys below)", key: "g", moves: true },
  "go.inbox": { where: "Go to", what: "Inbox", key: "i", moves: true },
  "go.jobs": { where: "Go to", what: "Jobs", key: "r", moves: true },
  "go.dead": { where: "Go to", what: "Dead letters", key: "d", moves: true },
  "go.sources": { where: "Go to", what: "Sources", key: "o", moves: true },
  "go.health": { where: "Go to", what: "Health", key: "h", moves: true },
  "go.settings": { where: "Go to", what: "Settings", key: "s", moves: true },
  next: { where: "Clusters and plans", what: "Next", key: "j", moves: true },
  previous: { where: "Clusters and plans", what: "Previous", key: "k", moves: true },
  open: { where: "Clusters and plans", what: "Open", key: "Enter", fixed: true, moves: true },
  choose: { where: "Clusters and plans", what: "Choose for a merge or a split", key: " ", fixed: true, moves: true },
  plan: { where: "Clusters and plans", what: "Make or open the plan", key: "p" },
  approve: { where: "Clusters and plans", what: "Approve the plan", key: "a" },
  edit: { where: "Clusters and plans", what: "Edit the plan", key: "e" },
  "plan.again": { where: "Clusters and plans", what: "Make the plan again", key: "" },
  fix: { where: "Clusters and plans", what: "Start the fix", key: "f" },
  dismiss: { where: "Clusters and plans", what: "Dismiss", key: "x" },
  snooze: { where: "Clusters and plans", what: "Snooze", key: "z" },
  merge: { where: "Clusters and plans", what: "Merge: the same as another cluster", key: "d" },
  resolve: { where: "Clusters and plans", what: "Resolve", key: "" },
  reopen: { where: "Clusters and plans", what: "Open again", key: "" },
  cancel: { where: "Jobs and logs", what: "Cancel the job", key: "c" },
  retry: { where: "Jobs and logs", what: "Retry the job", key: "" },
  release: { where: "Jobs and logs", what: "Release the held patch", key: "" },
  follow: { where: "Jobs and logs", what: "Follow the log, or stop following", key: "F" },
  "hit.next": { where: "Jobs and logs", what: "Next match", key: "n" },
  "hit.previous": { where: "Jobs and logs", what: "Previous match", key: "N" },
  "error.next": { where: "Jobs and logs", what: "Next error", key: "e" },
  "phase.next": { where: "Jobs and logs", what: "Next phase", key: "]" },
  "phase.previous": { where: "Jobs and logs", what: "Previous phase", key: "[" },
  wrap: { where: "Jobs and logs", what: "Wrap long lines", key: "w" },
  times: { where: "Jobs and logs", what: "Show times", key: "t" },
  copy: { where: "Jobs and logs", what: "Copy a link to the line", key: "y" },
} as const satisfies Record<string, Entry>;

export type ActionId = keyof typeof ACTIONS;
export const ALL = Object.keys(ACTIONS) as ActionId[];
export const action = (id: ActionId): Entry => ACTIONS[id];

const ENABLED = "soulcaster.keys";
const MAP = "soulcaster.keymap";
const listeners = new Set<() => void>();
let given: Partial<Record<ActionId, string>> = stored();

function stored(): Partial<Record<ActionId, string>> {
  try {
    const found = JSON.parse(localStorage.getItem(MAP) ?? "{}") as Record<string, unknown>;
    return Object.fromEntries(Object.entries(found).filter(([id, key]) => id in ACTIONS && typeof key === "string"));
  } catch {
    return {}; // what is stored there is not ours
  }
}

function keep(next: Partial<Record<ActionId, string>>): void {
  given = next;
  if (Object.keys(next).length) localStorage.setItem(MAP, JSON.stringify(next));
  else localStorage.removeItem(MAP);
  for (const listener of listeners) listener();
}

export const keyOf = (id: ActionId): string => given[id] ?? ACTIONS[id].key;

/** What else the key would do where this action is at hand; undefined when it is free. */
export function taken(id: ActionId, key: string): ActionId | undefined {
  const near = (other: ActionId): boolean => {
    const [a, b] = [ACTIONS[id].where, ACTIONS[other].where];
    if (a === "Go to" || b === "Go to") return a === b;
    return a === b || a === "Everywhere" || b === "Everywhere";
  };
  return ALL.find((other) => other !== id && keyOf(other) === key && near(other));
}

/** Give an action another key, or none; the keys stay in this browser. */
export function bind(id: ActionId, key: string): void {
  const others = Object.entries(given).filter(([other]) => other !== id);
  keep(Object.fromEntries(key === ACTIONS[id].key ? others : [...others, [id, key]]));
}

export const resetKeys = (): void => keep({});

export function useKeymap(): { readonly changed: boolean } {
  const now = useSyncExternalStore(subscribe, () => given);
  return { changed: Object.keys(now).length > 0 };
}

/** The key of an action as a person reads it; empty when it has none or single keys are off. */
export function useKeyLabel(id: ActionId | undefined): string {
  return useSyncExternalStore(subscribe, () => (id && keysEnabled() ? label(keyOf(id)) : ""));
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const label = (key: string): string => (key === " " ? "Space" : key);

/** WCAG 2.2, 2.1.4: single-character shortcuts can be turned off (Settings). */
export function keysEnabled(): boolean {
  return localStorage.getItem(ENABLED) !== "off";
}

export function enableKeys(on: boolean): void {
  if (on) localStorage.removeItem(ENABLED);
  else localStorage.setItem(ENABLED, "off");
  for (const listener of listeners) listener();
}
