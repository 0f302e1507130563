import { useEffect, useRef, useState, type KeyboardEvent } from "react";
import { Dialog, Untrusted } from "@/components/ui";
import { useStable } from "@/lib/stable";
import { useItems, type Item } from "./palette-items";
import "./palette.css";

/** Asks for the palette from a button. */
export const PALETTE = "soulcaster:palette";
const APPLE = /Macintosh|iPhone|iPad/.test(navigator.userAgent);
export const PALETTE_KEY = APPLE ? "⌘ K" : "Ctrl K";

/** Ctrl K, on a Mac Cmd K: works while typing too, but not over another dialog, which wants its answer first. */
export function usePaletteKey(open: () => void): void {
  const show = useStable(open);
  useEffect(() => {
    const pressed = (event: globalThis.KeyboardEvent): void => {
      const wanted = APPLE ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
      if (!wanted || event.altKey || event.shiftKey || event.key.toLowerCase() !== "k") return;
      event.preventDefault();
      if (!document.querySelector("[role=dialog]")) show();
    };
    window.addEventListener("keydown", pressed);
    return () => {
      window.removeEventListener("keydown", pressed);
    };
  }, [show]);
}

/** Finds a place or an act by a few letters and goes there: keyboard alone, as a combobox with a list (ARIA APG). */
export function Palette({ close }: { readonly close: () => void }) {
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const items = useItems(typed);
  const here = items[Math.min(at, items.length - 1)];
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [here]);
  const run = (item: Item | undefined): void => {
    if (!item) return;
    close();
    requestAnimationFrame(item.run); // after the focus went back to where it was: an act may take it from there
  };
  const moves: Record<string, () => number> = {
    ArrowDown: () => (at + 1) % items.length,
    ArrowUp: () => (at - 1 + items.length) % items.length,
    PageDown: () => Math.min(items.length - 1, at + 8),
    PageUp: () => Math.max(0, at - 8),
  };
  const pressed = (event: KeyboardEvent): void => {
    const move = moves[event.key];
    if (event.key === "Enter") run(here);
    else if (move && items.length) setAt(move());
    else return;
    event.preventDefault();
  };
  return (
    <Dialog open onClose={close} title="Find a page or an act" kind="palette">
      <input
        type="text"
        role="combobox"
        className="palette-input"
        aria-label="Find a page or an act"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={here ? optionId(here) : undefined}
        aria-autocomplete="list"
        autoComplete="off"
        spellCheck={false}
        placeholder="A page, cluster, job, setting or act"
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value);
          setAt(0);
        }}
        onKeyDown={pressed}
      />
      <div className="palette-list" id="palette-list" role="listbox" aria-label="What was found" ref={list}>
        {groupsOf(items).map(([group, members]) => (
          <div key={group} role="group" aria-label={group}>
            <p className="palette-group" aria-hidden="true">
              {group}
            </p>
            {members.map((item) => (
              <Option
                key={item.id}
                item={item}
                here={item === here}
                look={() => {
                  setAt(items.indexOf(item));
                }}
                run={() => {
                  run(item);
                }}
              />
            ))}
          </div>
        ))}
      </div>
      <p className="row small muted palette-foot" aria-hidden="true">
        <span>
          <kbd>↑</kbd> <kbd>↓</kbd> choose
        </span>
        <span>
          <kbd>Enter</kbd> go
        </span>
        <span>
          <kbd>Esc</kbd> close
        </span>
      </p>
    </Dialog>
  );
}

interface OptionProps {
  readonly item: Item;
  readonly here: boolean;
  readonly look: () => void;
  readonly run: () => void;
}

function Option({ item, here, look, run }: OptionProps) {
  return (
    // The keyboard is the input's, which names the option it is at (aria-activedescendant).
    // eslint-disable-next-line jsx-a11y/click-events-have-key-events
    <div
      id={optionId(item)}
      role="option"
      tabIndex={-1}
      aria-selected={here}
      className="palette-option"
      onPointerMove={look}
      onClick={run}
    >
      <span className="palette-text">
        <Untrusted text={item.text} />
      </span>
      {item.note ? <span className="small muted nowrap">{item.note}</span> : null}
      {item.key ? <kbd>{item.key}</kbd> : null}
    </div>
  );
}

const optionId = (item: Item): string => `palette-${item.id.replace(/\W/g, "-")}`;

function groupsOf(items: readonly Item[]): [string, Item[]][] {
  const groups = new Map<string, Item[]>();
  for (const item of items) groups.set(item.group, [...(groups.get(item.group) ?? []), item]);
  return [...groups];
}
