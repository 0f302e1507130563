import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import type { ReactNode } from "react";
import { MemoryRouter } from "react-router";
import { expect, it } from "vitest";
import { Problem, unreachable } from "@/lib/problem";
import { SimilarWork } from "./similar-work";
import { Failed, Loaded } from "./states";

const page = (content: ReactNode) => render(<MemoryRouter>{content}</MemoryRouter>);

it("a problem is told with its fields and the id of its request, and can be tried again", async () => {
  let again = 0;
  const error = new Problem(422, {
    title: "Unprocessable Content",
    detail: "name: is empty",
    request_id: "01REQUEST",
    errors: [{ field: "name", reason: "is empty" }],
  });
  page(<Failed error={error} retry={() => (again += 1)} />);
  const alert = screen.getByRole("alert");
  expect(alert.textContent).toContain("name: is empty");
  expect(alert.textContent).toContain("01REQUEST");
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(again).toBe(1);
});

it("what is not there is no alarm: it says so and shows the way back", () => {
  page(<Failed error={new Problem(404, { title: "Not Found", detail: "Cluster not found" })} />);
  expect(screen.queryByRole("alert")).toBeNull();
  expect(screen.getByText("Cluster not found")).toBeTruthy();
  expect(screen.getByRole("link", { name: "Back to the inbox" }).getAttribute("href")).toBe("/");
});

it("markup in a problem stays text", () => {
  const { container } = page(<Failed error={new Problem(500, { detail: "<img src=x onerror=alert(1)>" })} />);
  expect(container.querySelector("img")).toBeNull();
  expect(container.textContent).toContain("<img src=x");
});

it("data that is shown stays shown when a refresh fails, marked as old", () => {
  const query = { data: "the clusters", error: unreachable(new Error("refused")), refetch: () => undefined };
  page(
    <Loaded query={query} what="clusters">
      {(data) => <p>{data}</p>}
    </Loaded>,
  );
  expect(screen.getByText("the clusters")).toBeTruthy();
  expect(screen.getByRole("status").textContent).toContain("Not up to date");
});

it("nothing yet is a text, not only a shape", () => {
  page(
    <Loaded query={{ data: undefined, error: null, refetch: () => undefined }} what="jobs">
      {() => null}
    </Loaded>,
  );
  expect(screen.getByRole("status").textContent).toBe("Loading jobs…");
});

it("open work of the same kind is named with its reason, and a person may go on or not", async () => {
  const done: string[] = [];
  const error = new Problem(409, {
    code: "similar_work_open",
    similar: [
      { job_id: "J1", cluster_id: "c1", pr_url: "https://example.com/pull/7", reason: "it changes shop/pricing.py" },
      { job_id: "J2", cluster_id: "c2", pr_url: null, reason: "<b>same crash</b>" },
      { job_id: "J3", cluster_id: "c3", pr_url: "javascript:alert(1)", reason: "hostile" },
    ],
  });
  page(
    <SimilarWork
      similar={error.similar}
      here="c1"
      busy={false}
      anyway={() => done.push("anyway")}
      leave={() => done.push("leave")}
    />,
  );
  const hrefs = screen.getAllByRole("link").map((link) => link.getAttribute("href"));
  expect(hrefs).toEqual(["https://example.com/pull/7", "/r/J2", "/c/c2", "/c/c3"]);
  expect(screen.getByText(/<b>same crash<\/b>/)).toBeTruthy();
  await userEvent.click(screen.getByRole("button", { name: "Start anyway" }));
  await userEvent.click(screen.getByRole("button", { name: "Leave it" }));
  expect(done).toEqual(["anyway", "leave"]);
});
