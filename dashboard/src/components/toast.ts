/** What is said at the corner of the page for some seconds. */
export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly undo?: (() => void) | undefined;
}

let toasts: readonly Toast[] = [];
let count = 0;
const listeners = new Set<() => void>();

function change(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

/** Say what was done, with a way back where there is one. */
export function toast(text: string, undo?: () => void): void {
  count += 1;
  change([...toasts.slice(-2), { id: count, text, undo }]);
}

export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function shownToasts(): readonly Toast[] {
  return toasts;
}

export function closeToast(id: number): void {
  change(toasts.filter((one) => one.id !== id));
}
