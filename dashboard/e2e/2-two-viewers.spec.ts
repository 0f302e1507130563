import type { Page } from "@playwright/test";
import { expect, signIn, test } from "./page";

test("what one viewer decides, the other sees without a reload", async ({ signedIn: page, up, browser }) => {
  const context = await browser.newContext();
  const other = await context.newPage();
  await signIn(other, up);
  const row = (viewer: Page) =>
    viewer.getByRole("link", { name: "Search shows no result for words with an umlaut", exact: true });
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
