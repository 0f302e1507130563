import { expect, settled, test } from "./page";
import { screenshot } from "./screenshot";

test("from the inbox to the draft pull request by keyboard alone", async ({ signedIn: page, up }) => {
  test.setTimeout(300_000);
  const title = page.locator(`a[href="/c/${up.planted.cluster}"]`);
  await expect(title).toBeVisible();
  await screenshot(page, "inbox");
  for (let tries = 0; tries < 12; tries += 1) {
    await page.keyboard.press("j");
    if (await title.evaluate((link) => link === document.activeElement)) break;
  }
  await expect(title).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(new RegExp(`/c/${up.planted.cluster}`));
  await expect(page.getByText("No plan yet.")).toBeVisible();
  await page.keyboard.press("p");
  await expect(page.getByRole("heading", { name: "Likely causes" })).toBeVisible({ timeout: 60_000 });
  await page.keyboard.press("a");
  await expect(page.getByText("✓ approved by admin")).toBeVisible();
  await screenshot(page, "cluster");
  await page.keyboard.press("f");
  await expect(page).toHaveURL(/\/r\/[A-Z0-9]+/);
  const log = page.getByRole("log");
  await expect(log.getByText("parse_price refuses it")).toBeVisible({ timeout: 200_000 });
  await screenshot(page, "job-running");
  const review = page.getByRole("link", { name: "Review the draft pull request" });
  await expect(review).toBeVisible({ timeout: 200_000 });
  await expect(page.getByRole("list", { name: "Progress" }).getByText(": done")).toHaveCount(8);
  await screenshot(page, "job");
  for (let tries = 0; tries < 30 && !(await review.evaluate((link) => link === document.activeElement)); tries += 1) {
    await page.keyboard.press("Tab");
  }
  await expect(review).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/pulls\/default\//);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("(draft)");
  await expect(page.getByText('replace(",", "")').first()).toBeVisible();
  await page.goBack();
  await settled(page);
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
