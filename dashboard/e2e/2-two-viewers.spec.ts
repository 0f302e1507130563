import type { Page } from "@playwright/test";
import { expect, signIn, test } from "./page";

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

test("two viewers of one fix see the same whole log, though the gateway dies in the middle", async ({
  signedIn: page,
  up,
  browser,
}) => {
  test.setTimeout(300_000);
  await page.goto(`${up.gateway}/c/${up.planted.second_cluster}`);
  await page.getByRole("button", { name: /^Start fix/ }).click();
  await expect(page).toHaveURL(/\/r\/[A-Z0-9]+/);
  const context = await browser.newContext();
  const other = await context.newPage();
  await signIn(other, up);
  await other.goto(page.url());
  await expect(other.getByRole("log").getByText("kilocode")).toBeVisible({ timeout: 120_000 });
  process.kill(up.pids["gateway"] ?? 0, "SIGKILL");
  await expect(page.locator(".log-bar").getByText("Reconnecting")).toBeVisible();
  await expect(page.locator(".log-bar").getByText("Live")).toBeVisible({ timeout: 30_000 });
  for (const viewer of [page, other]) {
    await expect(viewer.locator(".log-bar").getByText("Complete")).toBeVisible({ timeout: 200_000 });
    await expect(viewer.getByRole("link", { name: "Review the draft pull request" })).toBeVisible();
  }
  const seen = [await numbers(page), await numbers(other)];
  expect(seen[0]).toEqual(seen[1]);
  await expect(page.locator(".log-gap")).toHaveCount(0);
  await context.close();
});

test("what one viewer decides, the other sees without a reload", async ({ signedIn: page, up, browser }) => {
  const context = await browser.newContext();
  const other = await context.newPage();
  await signIn(other, up);
  const row = (viewer: Page) => viewer.getByRole("link", { name: "Search shows no result for words with an umlaut" });
  await expect(row(page)).toBeVisible();
  await expect(row(other)).toBeVisible();
  await page.getByRole("button", { name: "Dismiss Search shows no result" }).click();
  await page.getByLabel("Why").fill("Works as intended");
  await page.getByRole("dialog").getByRole("button", { name: "Dismiss" }).click();
  await expect(row(other)).toHaveCount(0);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(row(other)).toBeVisible();
  await context.close();
});
