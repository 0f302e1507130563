import { useQuery } from "@tanstack/react-query";
import { generatePath, Navigate, useLocation, useParams, type RouteObject } from "react-router";
import { feedback } from "@/api/queries";
import { Loaded } from "@/components/states";

/**
 * Addresses of the HTTP interface that people open in a browser, from a script's output or a log line, and the pages
 * that show the same. The gateway sends the page to whoever navigates; programs get their JSON there as ever.
 */
const PAGE_OF: Readonly<Record<string, string>> = {
  clusters: "/",
  "clusters/:id": "/c/:id",
  "clusters/:id/plan": "/c/:id/plan",
  proposals: "/",
  jobs: "/r",
  "jobs/:id": "/r/:id",
  runners: "/status",
  stats: "/status",
  "dead-letters": "/stuck",
  feedback: "/find",
  projects: "/settings",
  keys: "/settings",
};

export const DATA_ADDRESSES: readonly RouteObject[] = [
  ...Object.entries(PAGE_OF).map(([path, page]) => ({ path, element: <Moved page={page} /> })),
  { path: "feedback/:id", element: <ReportMoved /> },
];

function Moved({ page }: { readonly page: string }) {
  const { search, hash } = useLocation();
  return <Navigate to={{ pathname: generatePath(page, useParams()), search, hash }} replace />;
}

/** A report has no page of its own: it is shown in its cluster. */
function ReportMoved() {
  const { id = "" } = useParams();
  const query = useQuery(feedback(id));
  return (
    <Loaded query={query} what="the report">
      {(report) =>
        report.cluster_id ? (
          <Navigate to={`/c/${report.cluster_id}#${report.id}`} replace />
        ) : (
          <Navigate to={`/find?q=${encodeURIComponent(report.title)}`} replace />
        )
      }
    </Loaded>
  );
}
