import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { RouterProvider } from "react-router";
import { router } from "@/app/router";
import { applyTheme } from "@/lib/theme";
import { Problem } from "@/lib/problem";
import "@/app/theme.css";
import "@/app/layout.css";

/** A session that ended while the page was open: ask who is signed in, and the sign-in page follows. */
function ended(error: unknown, queryKey?: readonly unknown[]): void {
  if (error instanceof Problem && error.status === 401 && queryKey?.[0] !== "session") {
    void queries.invalidateQueries({ queryKey: ["session"] });
  }
}

const queries = new QueryClient({
  queryCache: new QueryCache({
    onError: (error, query) => {
      ended(error, query.queryKey);
    },
  }),
  mutationCache: new MutationCache({
    onError: (error, _variables, _context, mutation) => {
      ended(error, mutation.options.mutationKey);
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) => failures < 3 && (!(error instanceof Problem) || error.retryable),
    },
  },
});

applyTheme();
const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
