import { useState, type KeyboardEvent } from "react";
import { Button, Dialog } from "@/components/ui";
import { action, ALL, bind, keyOf, label, resetKeys, taken, useKeymap, type ActionId } from "@/lib/keymap";
import { PALETTE_KEY } from "./palette";
import "./key-list.css";

const GROUPS = [...new Set(ALL.map((id) => action(id).where))].map(
  (where) => [where, ALL.filter((id) => action(id).where === where)] as const,
);
const NEVER = ["Tab", "Enter", " ", "Shift", "Control", "Alt", "Meta", "CapsLock", "Dead", "Unidentified"];

/** All keys as they are now. Each can be another one or none; they are kept in this browser. */
export function KeyList({ close }: { readonly close: () => void }) {
  const { changed } = useKeymap();
  const [asking, setAsking] = useState<ActionId | null>(null);
  const [said, setSaid] = useState("");
  const pressed = (id: ActionId, event: KeyboardEvent): void => {
    if (asking !== id || event.key === "Tab" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Shift") return;
    event.preventDefault();
    if (event.key === "Escape") setSaid("Left as it was.");
    else setSaid(given(id, event.key));
    setAsking(null);
  };
  return (
    <Dialog
      open
      onClose={close}
      title="Keys"
      heldOpen={asking !== null}
      description="Single keys work while no field has the focus. They can be switched off in Settings."
    >
      <p className="row small">
        <span>
          <kbd>{PALETTE_KEY}</kbd> finds any page, cluster, job, setting and act, from anywhere.
        </span>
      </p>
      <p className="small key-said" role="status">
        {asking
          ? `Press the new key for “${action(asking).what}”. Backspace takes it away, Escape leaves it.`
          : said || "Choose a key to give its act another one."}
      </p>
      {GROUPS.map(([where, ids]) => (
        <section key={where}>
          <h3>{where}</h3>
          <ul className="plain key-list">
            {ids.map((id) => (
              <li key={id} className="key-line">
                <span>{action(id).what}</span>
                {action(id).fixed ? (
                  <kbd>{label(keyOf(id))}</kbd>
                ) : (
                  <button
                    type="button"
                    className="key-cap"
                    aria-label={`${action(id).what}: ${label(keyOf(id)) || "no key"}. Change`}
                    aria-pressed={asking === id}
                    onClick={() => {
                      setAsking(asking === id ? null : id);
                    }}
                    onKeyDown={(event) => {
                      pressed(id, event);
                    }}
                    onBlur={() => {
                      setAsking((now) => (now === id ? null : now));
                    }}
                  >
                    <kbd>{asking === id ? "…" : label(keyOf(id)) || "none"}</kbd>
                  </button>
                )}
              </li>
            ))}
          </ul>
        </section>
      ))}
      {changed ? (
        <div>
          <Button
            onClick={() => {
              resetKeys();
              setSaid("All keys are as they were at first.");
            }}
          >
            Back to the first keys
          </Button>
        </div>
      ) : null}
    </Dialog>
  );
}

/** Gives the key, unless something near uses it; what is to be said of it. */
function given(id: ActionId, key: string): string {
  const what = `“${action(id).what}”`;
  if (key === "Backspace" || key === "Delete") {
    bind(id, "");
    return `${what} has no key now.`;
  }
  if (NEVER.includes(key)) return `${label(key)} cannot be used: the browser needs it.`;
  const other = taken(id, key);
  if (other) return `${key} is the key of “${action(other).what}” already. Give that one another key first.`;
  bind(id, key);
  return `${key} is the key of ${what} now.`;
}
