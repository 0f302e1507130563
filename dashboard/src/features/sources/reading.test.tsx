import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import type { SourceName } from "@/api/types";
import { Reading } from "./reading";

const POLL = { polls: 4, reports: 7, last_reports: 0, started_at: null, next_at: null, limited_until: null };
const GOOD = {
  ...POLL,
  source: "reddit",
  name: "acmeshop",
  failures: 0,
  last_error: null,
  finished_at: "2026-11-23T18:00:00Z",
};
const BAD = {
  ...POLL,
  source: "github",
  name: "acme/shop",
  failures: 3,
  last_error: "GitHub answered 401",
  finished_at: null,
};

function shown(name: SourceName) {
  const body = JSON.stringify({ items: [GOOD, BAD], project_id: "default" });
  const answer = () => Promise.resolve(new Response(body, { headers: { "Content-Type": "application/json" } }));
  vi.stubGlobal("fetch", answer);
  return render(
    <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
      <Reading name={name} />
    </QueryClientProvider>,
  );
}

it("says how far a source has been read", async () => {
  shown("reddit");
  expect(await screen.findByText("acmeshop")).toBeTruthy();
  expect(screen.getByText("✓ read")).toBeTruthy();
  expect(screen.queryByText("acme/shop")).toBeNull();
});

it("says what keeps it from reading on", async () => {
  shown("github");
  expect(await screen.findByText("GitHub answered 401")).toBeTruthy();
  expect(screen.getByText("failed 3 times")).toBeTruthy();
});
