import { createBrowserRouter } from "react-router";
import { ClusterPage } from "@/features/cluster/cluster-page";
import { DeadLettersPage } from "@/features/dead-letters/dead-letters-page";
import { HealthPage } from "@/features/health/health-page";
import { InboxPage } from "@/features/inbox/inbox-page";
import { JobsPage } from "@/features/jobs/jobs-page";
import { Crash } from "./crash";
import { NotFound } from "./not-found";
import { Shell } from "./shell";

export const router = createBrowserRouter([
  {
    path: "/", element: <Shell />, errorElement: <Crash />,
    children: [
      { index: true, element: <InboxPage /> },
      { path: "c/:id", element: <ClusterPage /> },
      { path: "r", element: <JobsPage /> },
      { path: "r/:id", lazy: async () => ({ Component: (await import("@/features/job/job-page")).JobPage }) },
      { path: "stuck", element: <DeadLettersPage /> },
      { path: "status", element: <HealthPage /> },
      { path: "*", element: <NotFound /> },
    ],
  },
]);
