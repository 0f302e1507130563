import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef } from "react";
import { Link, NavLink, Outlet, ScrollRestoration, useLocation, useNavigation } from "react-router";
import { useConnection, useStream, type Connection } from "@/api/live";
import { deadLetters } from "@/api/queries";
import { useMay, useSession } from "@/api/session";
import { Icon } from "@/components/icons";
import { KeyHint } from "@/components/ui";
import { Toasts } from "@/components/toasts";
import { SignInGate } from "@/features/session/sign-in";
import { useBatched } from "@/lib/batched";
import { ProjectChoice } from "./project-choice";
import { PAGES } from "./pages";
import { PALETTE, PALETTE_KEY } from "./palette";
import { Shortcuts } from "./shortcuts";

export function Shell() {
  return (
    <SignInGate>
      <Frame />
    </SignInGate>
  );
}

function Frame() {
  const { pathname } = useLocation();
  const main = useRef<HTMLElement>(null);
  const loading = useNavigation().state === "loading";
  useProjectEvents(!/^\/r\/./.test(pathname));
  useFocusOnNavigation(main, pathname);
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <nav className="nav" aria-label="Pages">
        <Link to="/" className="brand">
          <img src="/icon.svg" alt="" /> Soulcaster
        </Link>
        <ProjectChoice />
        <button
          type="button"
          className="palette-button"
          aria-haspopup="dialog"
          aria-label="Find a page or an act"
          onClick={() => {
            window.dispatchEvent(new Event(PALETTE));
          }}
        >
          <Icon name="search" />
          <span>Find …</span>
          <kbd aria-hidden="true">{PALETTE_KEY}</kbd>
        </button>
        <div className="items">
          {PAGES.map(({ path, label, icon }) => (
            <NavLink key={path} to={path} end={path === "/"} className="item">
              <Icon name={icon} />
              <span>{label}</span>
              {path === "/stuck" ? <Stuck /> : null}
            </NavLink>
          ))}
        </div>
        <Foot />
      </nav>
      <main className={loading ? "main main-loading" : "main"} id="main" tabIndex={-1} ref={main}>
        <Stale />
        <Outlet />
      </main>
      <Shortcuts />
      <Toasts />
      <ScrollRestoration />
    </div>
  );
}

function Foot() {
  const session = useSession();
  const connection = useConnection();
  const [tone, text] = SIGNS[connection];
  return (
    <div className="foot">
      <span className={`badge tone-${tone}`} role="status">
        {text}
      </span>
      <span className="small">
        {session.data?.name} · {session.data?.role}
      </span>
      <span className="small">
        <KeyHint id="keys" what="keys" />
      </span>
    </div>
  );
}

const SIGNS: Record<Connection, [tone: string, text: string]> = {
  live: ["live", "● Live"],
  connecting: ["muted", "○ Connecting"],
  reconnecting: ["warn", "○ Reconnecting"],
  ended: ["muted", "✓ Up to date"],
};

function Stale() {
  return useConnection() === "reconnecting" ? (
    <p className="banner tone-warn" role="status">
      The connection to the gateway is lost. What you see may be old; it refreshes when the connection is back.
    </p>
  ) : null;
}

function Stuck() {
  const may = useMay()("operator");
  const query = useQuery({ ...deadLetters(), enabled: !may });
  const count = query.data?.length ?? 0;
  return count > 0 ? <span className="count">{count}</span> : null;
}

/**
 * The project-wide stream: an event marks what it touches as old, so that it is read again. Events that come together
 * are one reading. A job's page has its own stream.
 */
function useProjectEvents(enabled: boolean): void {
  const client = useQueryClient();
  const refresh = useBatched((keys: readonly string[]) => {
    for (const key of new Set(keys)) void client.invalidateQueries({ queryKey: JSON.parse(key) as string[] });
  });
  const onEvent = useCallback(
    (data: string, name: string) => {
      const event = JSON.parse(data) as ProjectEvent;
      for (const key of touched(name, event)) refresh(JSON.stringify(key));
    },
    [refresh],
  );
  const connection = useStream("/events", { onEvent, names: ["hello", "job", "cluster", "plan"], enabled });
  const lost = useRef(false);
  useEffect(() => {
    if (connection === "reconnecting") {
      lost.current = true;
      void client.invalidateQueries({ queryKey: ["session"] });
    } else if (connection === "live" && lost.current) {
      lost.current = false;
      void client.invalidateQueries();
    }
  }, [connection, client]);
}

interface ProjectEvent {
  readonly cluster_id?: string;
  readonly id?: string;
  readonly job_id?: string;
}

/** Keys of the queries that an event makes old. */
function touched(name: string, event: ProjectEvent): string[][] {
  const cluster = ["cluster", (name === "cluster" ? event.id : event.cluster_id) ?? ""];
  if (name === "plan") return [["plan", event.cluster_id ?? ""], cluster];
  if (name === "job") return [["jobs"], ["job", event.job_id ?? ""], ["clusters"], cluster];
  return name === "cluster" ? [["clusters"], ["stats"], cluster] : [];
}

/** After a navigation the keyboard and the screen reader start at the page, not in the menu. */
function useFocusOnNavigation(main: React.RefObject<HTMLElement | null>, pathname: string): void {
  const first = useRef(true);
  useEffect(() => {
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
  }, [main, pathname]);
}
