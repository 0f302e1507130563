import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { createMemoryRouter, RouterProvider, useLocation } from "react-router";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { resetKeys } from "@/lib/keymap";
import { useKeys } from "@/lib/keys";
import { Shortcuts } from "./shortcuts";

const CLUSTERS = [
  { id: "c1", title: "Password reset mail never arrives", count: 3, merged_into: null },
  { id: "c2", title: "PDF invoice is empty", count: 1, merged_into: null },
];
let done: string[] = [];

function Page() {
  useKeys({ dismiss: () => done.push("dismissed"), resolve: () => done.push("resolved") });
  return (
    <>
      <p>at {useLocation().pathname}</p>
      <input aria-label="Field" />
      <Shortcuts />
    </>
  );
}

beforeEach(() => {
  done = [];
  vi.stubGlobal("scrollTo", () => undefined);
  Element.prototype.scrollIntoView = () => undefined; // jsdom has no layout
  vi.stubGlobal("fetch", (address: string) => {
    const body = address.startsWith("/clusters") ? CLUSTERS : [];
    return Promise.resolve(new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } }));
  });
  render(
    <QueryClientProvider client={new QueryClient()}>
      <RouterProvider router={createMemoryRouter([{ path: "*", element: <Page /> }])} />
    </QueryClientProvider>,
  );
});
afterEach(() => {
  resetKeys();
  localStorage.clear();
});

it("the palette finds a cluster by a few letters and goes there, also while typing", async () => {
  const user = userEvent.setup();
  await user.click(screen.getByLabelText("Field"));
  await user.keyboard("{Control>}k{/Control}");
  await screen.findByRole("option", { name: /PDF invoice/ });
  await user.keyboard("pasres");
  await waitFor(() => {
    expect(screen.getAllByRole("option")[0]?.textContent).toContain("Password reset");
  });
  await user.keyboard("{Enter}");
  expect(await screen.findByText("at /c/c1")).toBeTruthy();
  expect(screen.queryByRole("dialog")).toBeNull();
});

it("the palette runs what the page can do, also what has no key", async () => {
  const user = userEvent.setup();
  await user.keyboard("{Control>}k{/Control}");
  await user.keyboard("resolve{Enter}");
  await waitFor(() => {
    expect(done).toEqual(["resolved"]);
  });
});

it("a key can be another one, is refused where it is taken, and is shown", async () => {
  const user = userEvent.setup();
  await user.keyboard("?");
  await user.click(await screen.findByRole("button", { name: "Dismiss: x. Change" }));
  await user.keyboard("z");
  expect(screen.getByRole("status").textContent).toContain("the key of “Snooze” already");
  await user.click(screen.getByRole("button", { name: "Dismiss: x. Change" }));
  await user.keyboard("q");
  expect(screen.getByRole("button", { name: "Dismiss: q. Change" })).toBeTruthy();
  await user.keyboard("{Escape}");
  await waitFor(() => {
    expect(screen.queryByRole("dialog")).toBeNull();
  });
  await user.keyboard("x");
  expect(done).toEqual([]);
  await user.keyboard("q");
  expect(done).toEqual(["dismissed"]);
  expect(JSON.parse(localStorage.getItem("soulcaster.keymap") ?? "")).toEqual({ dismiss: "q" });
});

it("the key after g goes to a page and does nothing else", async () => {
  const user = userEvent.setup();
  await user.keyboard("gd");
  expect(await screen.findByText("at /stuck")).toBeTruthy();
  await user.click(screen.getByLabelText("Field"));
  await user.keyboard("gix");
  expect(done).toEqual([]);
  expect(screen.getByText("at /stuck")).toBeTruthy();
});
