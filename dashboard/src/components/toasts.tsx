import { useEffect, useSyncExternalStore } from "react";
import { Button } from "./ui";

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly undo?: (() => void) | undefined;
}

const SECONDS = 6;
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

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((one) => (
        <Shown key={one.id} one={one} />
      ))}
    </div>
  );
}

function Shown({ one }: { readonly one: Toast }) {
  const close = (): void => {
    change(toasts.filter((other) => other.id !== one.id));
  };
  useEffect(() => {
    const timer = window.setTimeout(close, SECONDS * 1000);
    return () => {
      window.clearTimeout(timer);
    };
  });
  return (
    <div className="toast">
      <span className="wrap">{one.text}</span>
      {one.undo ? (
        <Button
          onClick={() => {
            one.undo?.();
            close();
          }}
        >
          Undo
        </Button>
      ) : null}
    </div>
  );
}
