import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { currentProject, setProject } from "@/lib/http";
import { useMay, useSession } from "./session";

const SESSION = { name: "ann", kind: "session", project_id: null, default_project: "home", sign_in: ["key"] };
let asked: string[] = [];

/** A gateway where `closed` is closed to the person. */
function gateway(): void {
  vi.stubGlobal("fetch", (address: string) => {
    asked.push(address);
    const closed = address.includes("project_id=closed");
    const body = { ...SESSION, role: closed ? "" : "triager", may: closed ? [] : ["viewer", "triager", "ingest"] };
    return Promise.resolve(new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } }));
  });
}

function Shown() {
  const session = useSession().data;
  const may = useMay();
  return session ? <p>{`${may("triager") ?? "may sort"}; ${may("operator") ?? "may start"}`}</p> : null;
}

const page = () =>
  render(
    <QueryClientProvider client={new QueryClient()}>
      <Shown />
    </QueryClientProvider>,
  );

beforeEach(() => {
  asked = [];
  setProject("");
  gateway();
});
afterEach(() => {
  localStorage.clear();
});

it("what a person may do is what the gateway says, and the rest names the role it needs", async () => {
  page();
  expect(await screen.findByText("may sort; This needs the role operator; you are signed in as triager.")).toBeTruthy();
  expect(currentProject()).toBe("home");
});

it("a project that is closed by now is left for one that is open", async () => {
  localStorage.setItem("soulcaster.project", "closed");
  page();
  await waitFor(() => {
    expect(currentProject()).toBe("home");
  });
  expect(asked).toEqual(["/session?project_id=closed", "/session"]);
  expect(localStorage.getItem("soulcaster.project")).toBeNull();
});

it("the project chosen last is the one that is shown", async () => {
  localStorage.setItem("soulcaster.project", "shop");
  page();
  await screen.findByText(/may sort/);
  expect(asked).toEqual(["/session?project_id=shop"]);
  expect(currentProject()).toBe("shop");
});
