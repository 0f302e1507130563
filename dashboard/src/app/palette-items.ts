import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useNavigate } from "react-router";
import * as queries from "@/api/queries";
import type { Cluster, Job } from "@/api/types";
import { sourceName } from "@/components/icons";
import { toast } from "@/components/toast";
import { fit } from "@/lib/fuzzy";
import { action, keyOf, keysEnabled, label } from "@/lib/keymap";
import { usePossible } from "@/lib/keys";
import { plural } from "@/lib/plural";
import { chooseTheme } from "@/lib/theme";
import { ago } from "@/lib/time";
import { PAGES } from "./pages";

export interface Item {
  readonly id: string;
  readonly group: string;
  readonly text: string;
  readonly note?: string | undefined;
  readonly key?: string;
  /** Also found by these words. */
  readonly words?: string;
  readonly run: () => void;
}

const MOST = 6;
const SETTINGS: readonly [hash: string, text: string, words: string][] = [
  ["project", "Project: repository, runner, budget", "name concurrency dollars fork limit money"],
  ["api-keys", "API keys", "token script access"],
  ["people", "People", "members roles github sign-in organisation"],
  ["this-browser", "This browser: theme and keys", "dark light shortcuts"],
  ["runners", "Runners", "sandbox agents slots"],
  ["signed-in", "Signed in", "session sign out log out role"],
];
const SOURCES = ["sentry", "github", "reddit", "datadog", "splunk", "posthog", "manual"];

/** What fits the typed text: the page's acts first, then places, clusters and their plans, jobs. */
export function useItems(typed: string): readonly Item[] {
  const fixed = useFixed();
  const clusters = useQuery(queries.clusters()).data;
  const jobs = useQuery(queries.jobs()).data;
  const navigate = useNavigate();
  return useMemo(() => {
    const go = (to: string) => (): void => void navigate(to);
    const titles = new Map(clusters?.map((one) => [one.id, one.title]));
    const open = (clusters ?? []).filter((one) => !one.merged_into);
    const found = [
      ...ranked(typed, fixed, typed ? MOST : 20),
      ...ranked(typed, open.map(clusterItem(go)), MOST),
      ...(typed ? ranked(typed, open.map(planItem(go)), 3) : []),
      ...ranked(typed, (jobs ?? []).map(jobItem(go, titles)), typed ? MOST : 3),
    ];
    const q = typed.trim();
    if (q) {
      const run = go(`/find?q=${encodeURIComponent(q)}`);
      found.push({ id: "find", group: "Search", text: `Search all reports for “${q}”`, run });
    }
    return found;
  }, [typed, fixed, clusters, jobs, navigate]);
}

/** Acts of the page, pages, settings and sources. */
function useFixed(): readonly Item[] {
  const navigate = useNavigate();
  const can = usePossible();
  return useMemo(() => {
    const acts: Item[] = [...can]
      .filter(([id]) => !action(id).moves)
      .map(([id, run]) => {
        const key = keysEnabled() ? label(keyOf(id)) : "";
        return { id, group: "On this page", text: action(id).what, key, run };
      });
    const to = (path: string) => (): void => void navigate(path);
    const pages = PAGES.map(({ path, label: text }) => ({ id: path, group: "Go to", text, run: to(path) }));
    const settings = SETTINGS.map(([hash, text, words]) => {
      return { id: `#${hash}`, group: "Settings", text, words: `settings ${words}`, run: to(`/settings#${hash}`) };
    });
    const sources = SOURCES.map((name) => {
      const text = `Source: ${sourceName(name)}`;
      return {
        id: `source ${name}`,
        group: "Settings",
        text,
        words: "webhook secret",
        run: to(`/sources?source=${name}`),
      };
    });
    const themes = (["system", "light", "dark"] as const).map((theme) => {
      const run = (): void => {
        chooseTheme(theme);
        toast(`Theme: ${theme}`);
      };
      return { id: `theme ${theme}`, group: "Settings", text: `Theme: ${theme}`, words: "colours mode", run };
    });
    return [...acts, ...pages, ...settings, ...sources, ...themes];
  }, [navigate, can]);
}

type Go = (to: string) => () => void;

const clusterItem =
  (go: Go) =>
  (one: Cluster): Item => ({
    id: one.id,
    group: "Clusters",
    text: one.title,
    note: plural(one.count, "report"),
    words: one.id,
    run: go(`/c/${one.id}`),
  });

const planItem =
  (go: Go) =>
  (one: Cluster): Item => ({
    id: `plan ${one.id}`,
    group: "Plans",
    text: one.title,
    note: "plan",
    words: "plan",
    run: go(`/c/${one.id}/plan`),
  });

const jobItem =
  (go: Go, titles: ReadonlyMap<string, string>) =>
  (one: Job): Item => ({
    id: one.id,
    group: "Jobs",
    text: titles.get(one.cluster_id) ?? one.id,
    note: `${one.status.replace("_", " ")} · ${ago(one.created_at)}`,
    words: `${one.id} job fix ${one.status}`,
    run: go(`/r/${one.id}`),
  });

/** The best of them, best first; as they are while nothing is typed. Groups stay together. */
function ranked(typed: string, items: readonly Item[], most: number): Item[] {
  if (!typed.trim()) {
    const shown = items.filter((one) => one.group !== "Settings");
    return shown.slice(0, most);
  }
  const found = items
    .map((item) => ({
      item,
      score: Math.max(fit(typed, item.text), fit(typed, `${item.text} ${item.words ?? ""}`) * 0.7),
    }))
    .filter((one) => one.score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, most)
    .map((one) => one.item);
  const groups = [...new Set(found.map((one) => one.group))];
  return groups.flatMap((group) => found.filter((one) => one.group === group));
}
