import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import { MemoryRouter } from "react-router";
import { expect, it, vi } from "vitest";
import { SignInGate } from "./sign-in";

/** What the gateway answers to GET /session. */
function gateway(status: number, body: object): void {
  const answer = () => Promise.resolve(new Response(JSON.stringify(body), { status, headers: JSON_TYPE }));
  vi.stubGlobal("fetch", answer);
}
const JSON_TYPE = { "Content-Type": "application/json" };
const SESSION = { name: "ann", default_project: null, project_id: null, kind: "session", may: [], sign_in: ["key"] };

function page() {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  return render(
    <QueryClientProvider client={client}>
      <MemoryRouter>
        <SignInGate>
          <p>the inbox</p>
        </SignInGate>
      </MemoryRouter>
    </QueryClientProvider>,
  );
}

it("offers GitHub first where the gateway does, and comes back to the page that was asked for", async () => {
  window.history.replaceState(null, "", "/r/JOB?tab=diff");
  gateway(401, { title: "Unauthorized", detail: "Nobody is signed in.", sign_in: ["key", "github"] });
  page();
  const link = await screen.findByRole("link", { name: "Sign in with GitHub" });
  expect(link.getAttribute("href")).toBe("/session/github?next=%2Fr%2FJOB%3Ftab%3Ddiff");
  expect(screen.getByLabelText("API key")).toBeTruthy();
  expect(screen.queryByText("the inbox")).toBeNull();
});

it("asks for a key alone where there is no other way", async () => {
  gateway(401, { title: "Unauthorized", detail: "Nobody is signed in.", sign_in: ["key"] });
  page();
  expect(await screen.findByLabelText("API key")).toBeTruthy();
  expect(screen.queryByRole("link", { name: "Sign in with GitHub" })).toBeNull();
});

it("takes the key of a link that is opened over the page, and out of the address", async () => {
  window.history.replaceState(null, "", "/r/JOB");
  gateway(401, { title: "Unauthorized", detail: "Nobody is signed in.", sign_in: ["key"] });
  page();
  await screen.findByLabelText("API key");
  gateway(200, { ...SESSION, role: "viewer", may: ["viewer"], default_project: "default" });
  window.location.hash = "#key=sc_from_the_link";
  expect(await screen.findByText("the inbox")).toBeTruthy();
  expect(window.location.hash).toBe("");
});

it("says so when no project is open to the person", async () => {
  gateway(200, { ...SESSION, role: "" });
  page();
  expect(await screen.findByText("No project is open to you")).toBeTruthy();
  expect(screen.queryByText("the inbox")).toBeNull();
});

it("shows the page to who is signed in", async () => {
  gateway(200, { ...SESSION, role: "viewer", may: ["viewer"], default_project: "default" });
  page();
  expect(await screen.findByText("the inbox")).toBeTruthy();
});
