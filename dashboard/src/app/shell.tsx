import { Link, NavLink, Outlet } from "react-router";
import { SignInGate } from "@/features/session/sign-in";

const PAGES: readonly [path: string, label: string][] = [["/", "Inbox"]];

export function Shell() {
  return (
    <SignInGate>
      <div className="shell">
        <a className="skip" href="#main">Skip to the page</a>
        <nav className="nav" aria-label="Pages">
          <Link to="/" className="brand"><img src="/icon.svg" alt="" /> Soulcaster</Link>
          {PAGES.map(([path, label]) => <NavLink key={path} to={path} end={path === "/"} className="item">{label}</NavLink>)}
        </nav>
        <main className="main" id="main" tabIndex={-1}><Outlet /></main>
      </div>
    </SignInGate>
  );
}
