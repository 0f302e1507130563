import { useEffect, useRef, useState } from "react";
import { useNavigate } from "react-router";
import { Dialog } from "@/components/ui";
import { useKeys } from "@/lib/keys";

export const PAGES: readonly { path: string; label: string; key: string; icon: string }[] = [
  { path: "/", label: "Inbox", key: "i", icon: "inbox" },
  { path: "/r", label: "Jobs", key: "r", icon: "jobs" },
  { path: "/stuck", label: "Dead letters", key: "d", icon: "dead" },
  { path: "/sources", label: "Sources", key: "o", icon: "sources" },
  { path: "/status", label: "Health", key: "h", icon: "health" },
  { path: "/settings", label: "Settings", key: "s", icon: "settings" },
];

const KEYS: readonly [where: string, keys: readonly [keys: string, what: string][]][] = [
  [
    "Everywhere",
    [
      ["g then i r d o h s", "go to Inbox, Jobs, Dead letters, Sources, Health, Settings"],
      ["/", "search"],
      ["?", "this list"],
    ],
  ],
  [
    "Inbox and cluster",
    [
      ["j  k", "next, previous"],
      ["Enter", "open"],
      ["p", "make or show the plan"],
      ["a", "approve the plan"],
      ["e", "edit the plan"],
      ["f", "start the fix"],
      ["x", "dismiss"],
      ["z", "snooze"],
      ["d", "merge: the same as another cluster"],
      ["space", "choose for a merge or a split"],
    ],
  ],
  [
    "Job",
    [
      ["c", "cancel"],
      ["F", "follow the log"],
      ["n  N", "next, previous match"],
      ["e", "next error"],
      ["[  ]", "previous, next phase"],
      ["w  t", "wrap lines, show times"],
      ["y", "copy a link to the line"],
    ],
  ],
];

const PREFIX_MS = 1500;

export function Shortcuts() {
  const [open, setOpen] = useState(false);
  const navigate = useNavigate();
  const prefixed = useRef(0);
  useEffect(
    () => () => {
      window.clearTimeout(prefixed.current);
    },
    [],
  );
  const [prefix, setPrefix] = useState(false);
  const go = Object.fromEntries(
    PAGES.map(({ path, key }) => [
      key,
      () => {
        setPrefix(false);
        void navigate(path);
      },
    ]),
  );
  useKeys({
    "?": () => {
      setOpen(true);
    },
    g: () => {
      setPrefix(true);
      window.clearTimeout(prefixed.current);
      prefixed.current = window.setTimeout(() => {
        setPrefix(false);
      }, PREFIX_MS);
    },
    ...(prefix ? go : {}),
  });
  return (
    <Dialog
      open={open}
      onClose={() => {
        setOpen(false);
      }}
      title="Keys"
      description="Single keys work while no field has the focus. They can be switched off in Settings."
    >
      {KEYS.map(([where, keys]) => (
        <section key={where}>
          <h3>{where}</h3>
          <table className="keys-table">
            <tbody>
              {keys.map(([names, what]) => (
                <tr key={names}>
                  <th scope="row">
                    <kbd>{names}</kbd>
                  </th>
                  <td>{what}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      ))}
    </Dialog>
  );
}
