import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { Link, NavLink, Outlet, useNavigate } from "react-router";
import { useStream } from "@/api/live";
import { Dialog } from "@/components/ui";
import { SignInGate } from "@/features/session/sign-in";
import { useKeys } from "@/lib/keys";

const PAGES: readonly [path: string, label: string, key: string][] = [
  ["/", "Inbox", "i"], ["/r", "Jobs", "r"], ["/stuck", "Dead letters", "d"], ["/status", "Health", "h"],
];

export function Shell() {
  return <SignInGate><Frame /></SignInGate>;
}

function Frame() {
  const connection = useProjectEvents();
  return (
    <div className="shell">
      <a className="skip" href="#main">Skip to the page</a>
      <nav className="nav" aria-label="Pages">
        <Link to="/" className="brand"><img src="/icon.svg" alt="" /> Soulcaster</Link>
        {PAGES.map(([path, label]) => <NavLink key={path} to={path} end={path === "/"} className="item">{label}</NavLink>)}
        <div className="foot">
          <span className={`badge tone-${connection === "live" ? "live" : "warn"}`} role="status">{connection === "live" ? "● Live" : "○ Reconnecting"}</span>
          <ThemeChoice />
        </div>
      </nav>
      <main className="main" id="main" tabIndex={-1}>
        {connection === "reconnecting" ? <p className="banner tone-warn" role="status">The connection to the gateway is lost. What you see may be old; it refreshes when the connection is back.</p> : null}
        <Outlet />
      </main>
      <Shortcuts />
    </div>
  );
}

/** The one project-wide stream of the page: an event marks what it touches as old, so that it is read again. */
function useProjectEvents() {
  const client = useQueryClient();
  const onEvent = useCallback((data: string) => {
    const event = JSON.parse(data) as { cluster_id?: string; id?: string; job_id?: string };
    void client.invalidateQueries({ queryKey: ["clusters"] });
    if (event.job_id) { void client.invalidateQueries({ queryKey: ["jobs"] }); void client.invalidateQueries({ queryKey: ["job", event.job_id] }); }
    const cluster = event.cluster_id ?? (event.job_id ? undefined : event.id);
    if (cluster) { void client.invalidateQueries({ queryKey: ["cluster", cluster] }); void client.invalidateQueries({ queryKey: ["plan", cluster] }); }
  }, [client]);
  return useStream("/events", { onEvent, names: ["message", "job", "cluster", "plan"] });
}

function ThemeChoice() {
  const [theme, setTheme] = useState(localStorage.getItem("soulcaster.theme") ?? "system");
  const choose = (next: string): void => {
    setTheme(next);
    localStorage.setItem("soulcaster.theme", next);
    applyTheme();
  };
  return (
    <label className="small">Theme <select value={theme} onChange={(event) => { choose(event.target.value); }}>
      <option value="system">as the system</option><option value="light">light</option><option value="dark">dark</option></select></label>
  );
}

export function applyTheme(): void {
  const theme = localStorage.getItem("soulcaster.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset["theme"] = theme;
  else delete document.documentElement.dataset["theme"];
}

const KEYS: readonly [keys: string, what: string][] = [
  ["g then i, r, d, h", "go to Inbox, Jobs, Dead letters, Health"], ["j / k", "next, previous"], ["Enter", "open"], ["p", "make or show the plan"],
  ["a", "approve the plan"], ["f", "start the fix"], ["/", "search"], ["F", "log: follow"], ["n / N", "log: next, previous match"], ["w", "log: wrap lines"], ["?", "this list"],
];

function Shortcuts() {
  const [open, setOpen] = useState(false);
  const [prefix, setPrefix] = useState(false);
  const navigate = useNavigate();
  const go = Object.fromEntries(PAGES.map(([path, , key]) => [key, () => { setPrefix(false); void navigate(path); }]));
  useKeys({ "?": () => { setOpen(true); }, g: () => { setPrefix(true); window.setTimeout(() => { setPrefix(false); }, 1500); }, ...(prefix ? go : {}) });
  return (
    <Dialog open={open} onClose={() => { setOpen(false); }} title="Keys">
      <table><tbody>{KEYS.map(([keys, what]) => <tr key={keys}><th scope="row"><kbd>{keys}</kbd></th><td>{what}</td></tr>)}</tbody></table>
    </Dialog>
  );
}
