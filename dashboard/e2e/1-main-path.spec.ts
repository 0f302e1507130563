import type { Locator, Page } from "@playwright/test";
import { expect, press, settled, signIn, test } from "./page";
import { screenshot } from "./screenshot";

const LONG = 240_000;

/** The numbers of all lines in view of a log that is opened whole. */
async function numbers(page: Page): Promise<number[]> {
  await page.getByRole("button", { name: "Open all" }).click();
  const box = page.getByRole("log");
  const found = new Set<number>();
  for (let top = 0; ; top += 400) {
    const end = await box.evaluate((element, to) => {
      element.scrollTop = to;
      return element.scrollTop < to;
    }, top);
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    for (const text of await box.locator(".log-number").allTextContents()) found.add(Number(text));
    if (end) break;
  }
  return [...found].sort((a, b) => a - b);
}

const review = (viewer: Page): Locator => viewer.getByRole("link", { name: "Review the draft pull request" });

test("from the inbox to the draft pull request by keyboard alone, though the gateway dies in the middle", async ({
  signedIn: page,
  up,
  browser,
}) => {
  test.setTimeout(900_000);
  const title = page.locator(`a[href="/c/${up.planted.cluster}"]`);
  await expect(title).toBeVisible();
  await screenshot(page, "inbox");
  await press(page, "j", title);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(new RegExp(`/c/${up.planted.cluster}`));
  await expect(page.getByText("No plan yet.")).toBeVisible();
  await page.keyboard.press("p");
  await expect(page.getByRole("heading", { name: "Likely causes" })).toBeVisible({ timeout: LONG });
  await page.keyboard.press("a");
  await expect(page.getByText("✓ approved by admin")).toBeVisible();
  await screenshot(page, "cluster");
  await page.keyboard.press("f");
  await expect(page).toHaveURL(/\/r\/[A-Z0-9]+/);

  const context = await browser.newContext();
  const other = await context.newPage();
  await signIn(other, up);
  await other.goto(page.url());
  await expect(other.getByRole("log").getByText("kilocode")).toBeVisible({ timeout: LONG });
  process.kill(up.pids["gateway"] ?? 0, "SIGKILL");
  await expect(page.locator(".log-bar").getByText("Reconnecting")).toBeVisible();
  await expect(page.getByRole("log").getByText("parse_price refuses it")).toBeVisible({ timeout: LONG });
  await screenshot(page, "job-running");
  for (const viewer of [page, other]) {
    await expect(viewer.locator(".log-bar").getByText("Complete")).toBeVisible({ timeout: LONG });
    await expect(review(viewer)).toBeVisible({ timeout: LONG });
  }
  await expect(page.getByRole("list", { name: "Progress" }).getByText(": done")).toHaveCount(8);
  await screenshot(page, "job");
  await press(page, "Tab", review(page));
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/pulls\/default\//);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("(draft)");
  await expect(page.getByText('replace(",", "")').first()).toBeVisible();

  await page.goBack();
  await settled(page);
  const seen = [await numbers(page), await numbers(other)];
  expect(seen[0]).toEqual(seen[1]);
  expect(seen[0]?.at(-1)).toBeGreaterThan(20);
  await expect(page.locator(".log-gap")).toHaveCount(0);
  await context.close();
});

test("what the agent did is seen step by step, as a diff against the plan, and in its tests", async ({
  signedIn: page,
  up,
}) => {
  await page.goto(`${up.gateway}/c/${up.planted.cluster}`);
  await page.getByRole("region", { name: "Fixes" }).getByRole("link").first().click();
  await expect(review(page)).toBeVisible();
  await page.getByRole("tab", { name: "Steps" }).click();
  await expect(page.getByText("Edited")).toBeVisible();
  await screenshot(page, "job-steps");
  await page.getByRole("tab", { name: "Diff" }).click();
  await expect(page.getByText("✓ in the plan")).toBeVisible();
  await screenshot(page, "job-diff");
  await page.getByRole("tab", { name: "Tests and gate" }).click();
  await expect(page.getByText("✓ Reproduced")).toBeVisible();
  await screenshot(page, "job-tests");
});

test("a second fix of the same thing is refused with what is open, and can be started all the same", async ({
  signedIn: page,
  up,
}) => {
  await page.goto(`${up.gateway}/c/${up.planted.cluster}`);
  await expect(review(page)).toBeVisible(); // triage knows of the pull request
  await page.getByRole("button", { name: /^Start fix/ }).click();
  const refused = page.getByRole("alert").filter({ hasText: "Not started" });
  await expect(refused).toContainText("this cluster has an open pull request");
  await screenshot(page, "similar-work");
  await expect(refused.getByRole("button", { name: "Start anyway" })).toBeVisible();
  await refused.getByRole("button", { name: "Leave it" }).click();
  await expect(refused).toHaveCount(0);
  await expect(page).toHaveURL(/\/c\//);
});
