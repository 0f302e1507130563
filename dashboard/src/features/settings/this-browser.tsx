import { useState } from "react";
import { Button, Panel } from "@/components/ui";
import { enableKeys, keysEnabled } from "@/lib/keymap";
import { possible } from "@/lib/keys";
import { chooseTheme, chosenTheme, type Theme } from "@/lib/theme";

const THEMES: readonly [Theme, string][] = [
  ["system", "as the system"],
  ["light", "light"],
  ["dark", "dark"],
];

/** What is kept in this browser only. */
export function ThisBrowser() {
  const [theme, setTheme] = useState(chosenTheme());
  const [keys, setKeys] = useState(keysEnabled());
  return (
    <Panel title="This browser" id="this-browser">
      <div className="stack">
        <fieldset className="row">
          <legend className="small">Theme</legend>
          {THEMES.map(([value, label]) => (
            <label key={value} className="row">
              <input
                type="radio"
                name="theme"
                value={value}
                checked={theme === value}
                onChange={() => {
                  chooseTheme(value);
                  setTheme(value);
                }}
              />
              {label}
            </label>
          ))}
        </fieldset>
        <label className="row">
          <input
            type="checkbox"
            role="switch"
            checked={keys}
            onChange={(event) => {
              enableKeys(event.target.checked);
              setKeys(event.target.checked);
            }}
          />
          Single-key shortcuts
        </label>
        <div>
          <Button
            onClick={() => {
              possible().get("keys")?.();
            }}
          >
            Show and change the keys
          </Button>
        </div>
      </div>
    </Panel>
  );
}
