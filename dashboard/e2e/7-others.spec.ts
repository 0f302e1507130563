import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { expect, settled, test } from "./page";
import { screenshot } from "./screenshot";
import type { Stack } from "./stack";

/** What the page does with answers that others cause: GitHub, triage, the repository, a second person. All of them real. */

/** To GitHub and back as one of several people: `login` is GitHub's own parameter, "suggests a specific account". */
async function comeBackAs(page: Page, up: Stack, login: string, next: string): Promise<void> {
  const away = await page.request.get(`${up.gateway}/session/github?next=${encodeURIComponent(next)}`, {
    maxRedirects: 0,
  });
  await page.goto(`${away.headers()["location"] ?? ""}&login=${login}`);
}

test("people sign in with GitHub: those on a list with its role, others once an admin lets them in", async ({
  browser,
  signedIn: admin,
  up,
}) => {
  const listed = await (await browser.newContext()).newPage();
  await listed.goto(`${up.gateway}/c/${up.planted.other_cluster}?tab=history`);
  await listed.getByRole("link", { name: "Sign in with GitHub" }).click();
  await expect(listed).toHaveURL(`${up.gateway}/c/${up.planted.other_cluster}?tab=history`);
  await expect(listed.getByText("ann · operator")).toBeVisible();

  const stranger = await (await browser.newContext()).newPage();
  await comeBackAs(stranger, up, "eve", "/");
  await expect(stranger.getByRole("heading", { name: "You are not signed in" })).toBeVisible();
  await expect(stranger.getByText("eve is on no list")).toBeVisible();

  await admin.goto(`${up.gateway}/settings`);
  await admin.getByLabel("GitHub login").fill("eve");
  await admin.getByRole("button", { name: "Let in" }).click();
  await expect(admin.getByRole("button", { name: "Take eve off the list" })).toBeVisible();
  await comeBackAs(stranger, up, "eve", `/c/${up.planted.other_cluster}`);
  await expect(stranger.getByText("eve · viewer")).toBeVisible();
  await expect(stranger.getByRole("button", { name: /^Start fix/ })).toHaveAttribute("aria-disabled", "true");

  await admin.getByRole("button", { name: "Take eve off the list" }).click();
  await expect(admin.getByRole("button", { name: "Take eve off the list" })).toHaveCount(0);
  await stranger.reload();
  await expect(stranger.getByRole("heading", { name: "Sign in to Soulcaster" })).toBeVisible();
  await listed.context().close();
  await stranger.context().close();
});

/** A commit of somebody else on the plan's branch, which moves every line of a file. */
function commit(up: Stack, path: string): void {
  const folder = mkdtempSync(join(tmpdir(), "somebody-else-"));
  const git = (...args: string[]): void => {
    const who = ["-c", "user.name=Somebody", "-c", "user.email=some@body.example"];
    execFileSync("git", [...who, ...args], { cwd: folder, stdio: "pipe" });
  };
  git("clone", "--quiet", "--branch", "main", up.repository, ".");
  writeFileSync(join(folder, path), `# Reviewed.\n#\n${readFileSync(join(folder, path), "utf8")}`);
  git("commit", "--quiet", "--all", "--message", "Note the review");
  git("push", "--quiet", "origin", "main");
  rmSync(folder, { recursive: true });
}

test("a plan whose files changed is stale, is grounded again, and keeps what people wrote until they hand it back", async ({
  signedIn: page,
  up,
}) => {
  await page.goto(`${up.gateway}/c/${up.planted.cluster}/plan`);
  await settled(page);
  await page.getByRole("button", { name: /^Edit/ }).click();
  await page.getByLabel("Steps, one a line").fill("Ask Ann first\nMake it pass");
  await page.getByRole("button", { name: /^Save as version/ }).click();
  await expect(page.getByText("Ask Ann first")).toBeVisible();
  commit(up, "shop/pricing.py");
  await page.getByRole("button", { name: "Check again" }).click();
  await expect(page.getByText("This plan is stale.")).toBeVisible();
  await screenshot(page, "plan-stale");
  await page.getByRole("button", { name: "Ground it again" }).click();
  const kept = page.getByRole("region", { name: "Edits that the planner sees differently" });
  await expect(kept).toContainText("Steps");
  await expect(page.getByText("This plan is stale.")).toHaveCount(0);
  await expect(page.getByRole("listitem").filter({ hasText: /^Ask Ann first$/ })).toBeVisible();
  await screenshot(page, "plan-conflict");
  await kept.getByRole("button", { name: "Let the planner write it" }).click();
  await expect(kept).toHaveCount(0);
  await expect(page.getByRole("listitem").filter({ hasText: /^Ask Ann first$/ })).toHaveCount(0);
});

test("of two people who edit the same version the second is told, and overwrites nothing", async ({
  signedIn: page,
  up,
  context,
}) => {
  const other = await context.newPage();
  for (const viewer of [page, other]) {
    await viewer.goto(`${up.gateway}/c/${up.planted.cluster}/plan`);
    await settled(viewer);
    await viewer.getByRole("button", { name: /^Edit/ }).click();
  }
  await page.getByLabel("Steps, one a line").fill("The first one's step");
  await page.getByRole("button", { name: /^Save as version/ }).click();
  await expect(page.getByText("The first one's step")).toBeVisible();
  await other.getByLabel("Steps, one a line").fill("The second one's step");
  await other.getByRole("button", { name: /^Save as version/ }).click();
  await expect(other.getByRole("alert")).toContainText("Someone saved a newer version meanwhile");
  await expect(other.getByLabel("Steps, one a line")).toHaveValue("The second one's step");
  await other.getByRole("button", { name: "Cancel" }).click();
  await expect(other.getByText("The first one's step")).toBeVisible();
});

const BLANK = "The checkout page stays blank after the coupon step, the console shows cart.total is not a function";
const TAX = "PDF of an invoice lacks its tax line, VAT amount missing";
const PRINTER = "Printing an A5 label hangs the printer dialog, the spinner of the label preview never ends";

/** A project with a cluster that holds two things, and two clusters that are one; the last reports make triage say so. */
async function proposed(page: Page, up: Stack): Promise<void> {
  const at = "2026-11-20T10:00:00Z";
  const cluster = (id: string) => ({ kind: "cluster", id, created_at: at });
  const report = (id: string, cluster_id: string, title: string, body: string) => ({
    ...{ kind: "feedback", id, cluster_id, title, body, raw_text: body, project_id: "grouping", source: "manual" },
    ...{ external_id: id, created_at: at, received_at: at },
  });
  const lines: object[] = ["mixed", "printer", "labels"].map(cluster);
  for (const n of [0, 1, 2, 3]) {
    lines.push(report(`b${String(n)}`, "mixed", "Checkout stays blank", `${BLANK} (no. ${String(n)})`));
    lines.push(report(`t${String(n)}`, "mixed", "Invoice lacks tax", `${TAX} (no. ${String(n)})`));
    lines.push(
      report(`p${String(n)}`, "printer", "Printer dialog hangs on A5 labels", `${PRINTER} (no. ${String(n)})`),
    );
  }
  lines.push(report("l0", "labels", "A5 labels hang the dialog", `${PRINTER} of the shop (no. 8)`));
  lines.push(report("l1", "labels", "A5 labels hang the dialog", `${PRINTER} of the shop (no. 9)`));
  const post = async (path: string, data: object): Promise<void> => {
    const answer = await page.request.post(`${up.gateway}${path}`, {
      headers: { Authorization: `Bearer ${up.api_key}` },
      data,
    });
    expect(answer.ok(), await answer.text()).toBe(true);
  };
  await post("/projects", { name: "Grouping", user_id: "page", project_id: "grouping" });
  await post("/import?project_id=grouping", { lines: lines.map((line) => JSON.stringify(line)) });
  const later = "/ingest/manual?project_id=grouping";
  await post(later, { title: "Checkout stays blank", text: `${BLANK} (no. 0)` });
  await post(later, { title: "A5 labels hang the dialog", text: `${PRINTER} of the shop (no. 8)` });
}

test("what triage proposes is decided on the page: a split is made, a merge is refused and not asked again", async ({
  signedIn: page,
  up,
}) => {
  await proposed(page, up);
  await page.goto(`${up.gateway}/?project=grouping`);
  const questions = page.getByRole("region", { name: "Proposed merges and splits" }).locator("li.proposal");
  await expect(questions).toHaveCount(2);
  await screenshot(page, "proposals");
  const split = questions.filter({ hasText: "Invoice lacks tax" });
  await expect(split).toContainText("2 things, not one");
  await split.getByRole("button", { name: "Split", exact: true }).click();
  await expect(questions).toHaveCount(1);
  await expect(page.getByRole("link", { name: "Invoice lacks tax", exact: true })).toBeVisible();
  await page.getByRole("link", { name: "A5 labels hang the dialog", exact: true }).last().click();
  const here = page.getByRole("region", { name: "Proposed merges and splits" });
  await expect(here).toContainText("Printer dialog hangs on A5 labels");
  await here.getByRole("button", { name: "Keep apart" }).click();
  await expect(here).toHaveCount(0);
  await page.goto(up.gateway);
  await settled(page);
  await expect(questions).toHaveCount(0);
  await expect(page.getByRole("link", { name: "A5 labels hang the dialog", exact: true })).toBeVisible();
});

test("the palette finds a cluster and does what the page can, and an address of the data leads to its page", async ({
  signedIn: page,
  up,
}) => {
  await settled(page);
  await page.getByRole("searchbox").focus();
  await page.keyboard.press("Control+k");
  const found = page.getByRole("option");
  await page.keyboard.type("pdf inv");
  await expect(found.first()).toContainText("PDF invoice is empty on Safari");
  await screenshot(page, "palette");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(new RegExp(`/c/${up.planted.other_cluster}$`));
  await expect(page.getByRole("heading", { name: "What is reported" })).toBeVisible();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("snooze");
  await expect(found.first()).toContainText("Snooze");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog", { name: "Snooze this cluster?" })).toBeVisible();
  for (const [address, page_] of [
    [`/clusters/${up.planted.cluster}`, `/c/${up.planted.cluster}`],
    [`/clusters/${up.planted.cluster}/plan`, `/c/${up.planted.cluster}/plan`],
    [`/jobs/${up.planted.held_job}?tab=diff`, `/r/${up.planted.held_job}?tab=diff`],
  ] as const) {
    await page.goto(up.gateway + address);
    await expect(page).toHaveURL(up.gateway + page_);
  }
});
