import type { ActionId } from "@/lib/keymap";

/** The pages of the menu, with the key that follows the one of `go`. */
export const PAGES: readonly { path: string; label: string; action: ActionId; icon: string }[] = [
  { path: "/", label: "Inbox", action: "go.inbox", icon: "inbox" },
  { path: "/r", label: "Jobs", action: "go.jobs", icon: "jobs" },
  { path: "/stuck", label: "Dead letters", action: "go.dead", icon: "dead" },
  { path: "/sources", label: "Sources", action: "go.sources", icon: "sources" },
  { path: "/status", label: "Health", action: "go.health", icon: "health" },
  { path: "/settings", label: "Settings", action: "go.settings", icon: "settings" },
];
