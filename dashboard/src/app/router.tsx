import { createBrowserRouter } from "react-router";
import { InboxPage } from "@/features/inbox/inbox-page";
import { Crash } from "./crash";
import { DATA_ADDRESSES } from "./data-addresses";
import { NotFound } from "./not-found";
import { Shell } from "./shell";

/** Pages beyond the inbox are loaded when they are opened. Their features meet here and nowhere else. */
export const router = createBrowserRouter([
  {
    path: "/",
    element: <Shell />,
    errorElement: <Crash />,
    hydrateFallbackElement: <p className="main">Loading…</p>,
    children: [
      {
        errorElement: <Crash />,
        children: [
          { index: true, element: <InboxPage /> },
          { path: "c/:id", lazy: async () => ({ Component: (await import("./pages/cluster")).Page }) },
          {
            path: "c/:id/plan",
            lazy: async () => ({ Component: (await import("@/features/plan/plan-page")).PlanPage }),
          },
          { path: "r", lazy: async () => ({ Component: (await import("@/features/jobs/jobs-page")).JobsPage }) },
          { path: "r/:id", lazy: async () => ({ Component: (await import("@/features/job/job-page")).JobPage }) },
          {
            path: "find",
            lazy: async () => ({ Component: (await import("@/features/search/search-page")).SearchPage }),
          },
          {
            path: "stuck",
            lazy: async () => ({
              Component: (await import("@/features/dead-letters/dead-letters-page")).DeadLettersPage,
            }),
          },
          {
            path: "status",
            lazy: async () => ({ Component: (await import("@/features/health/health-page")).HealthPage }),
          },
          {
            path: "sources",
            lazy: async () => ({ Component: (await import("@/features/sources/sources-page")).SourcesPage }),
          },
          {
            path: "settings",
            lazy: async () => ({ Component: (await import("@/features/settings/settings-page")).SettingsPage }),
          },
          ...DATA_ADDRESSES,
          { path: "*", element: <NotFound /> },
        ],
      },
    ],
  },
]);
