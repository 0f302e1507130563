import { useEffect, useSyncExternalStore } from "react";
import { closeToast, shownToasts, subscribe, type Toast } from "./toast";
import { Button } from "./ui";

const SECONDS = 6;

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, shownToasts);
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
    closeToast(one.id);
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
