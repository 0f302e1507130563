import { expect, press, settled, test } from "./page";

test("clusters are merged by keyboard, and the merge is taken back", async ({ signedIn: page }) => {
  const [one, two] = ["Cart badge keeps its number", "Phone numbers with a plus are refused"]; // nothing alike: left to the clustering they stay two
  const all = page.locator("a.cluster-title");
  await settled(page);
  const before = await all.count();
  const target = page.getByRole("link", { name: two, exact: true });
  await press(page, "j", target);
  await page.keyboard.press("d");
  const dialog = page.getByRole("dialog", { name: "The same as which cluster?" });
  await expect(dialog).toBeVisible();
  await dialog.getByLabel("Find").fill("cart badge");
  await expect(dialog.locator(".choice")).toHaveCount(1);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await expect(dialog).toHaveCount(0);
  await expect(all).toHaveCount(before - 1);
  await page.getByRole("link", { name: one, exact: true }).click();
  await expect(page.getByRole("tab", { name: "Reports (2)" })).toBeVisible();
  await page.getByRole("tab", { name: "History" }).click();
  await page
    .getByRole("button", { name: /^Undo: / })
    .first()
    .click();
  await expect(page.getByRole("tab", { name: "Reports (1)" })).toBeVisible();
});

test("a report is split off with the mouse", async ({ signedIn: page, up }) => {
  await page.goto(`${up.gateway}/c/${up.planted.cluster}`);
  await settled(page);
  const before = Number(/\d+/.exec((await page.getByRole("tab", { name: /^Reports/ }).textContent()) ?? "")?.[0]);
  await page.locator(".report input[type=checkbox]").first().check();
  await page.getByRole("button", { name: /^Split off/ }).click();
  await expect(page.getByRole("tab", { name: `Reports (${String(before - 1)})` })).toBeVisible();
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(page.getByRole("tab", { name: `Reports (${String(before)})` })).toBeVisible();
});

test("a cluster is snoozed until more reports came", async ({ signedIn: page }) => {
  const title = "Please add gift wrapping";
  await page.getByRole("button", { name: `Snooze ${title}` }).click();
  await page.getByLabel("Come back after").fill("3");
  await page.getByRole("dialog").getByRole("button", { name: "Snooze" }).click();
  await expect(page.getByRole("link", { name: title, exact: true })).toHaveCount(0);
  await page.getByRole("button", { name: /^Snoozed/ }).click();
  await expect(page).toHaveURL(/view=snoozed/);
  await expect(page.getByRole("link", { name: title, exact: true })).toBeVisible();
});

test("an edited plan is a new version, and two versions can be compared", async ({ signedIn: page, up }) => {
  await page.goto(`${up.gateway}/c/${up.planted.cluster}/plan`);
  await page.getByRole("button", { name: "Check again" }).click();
  await expect(page.getByText("✓ its files are unchanged")).toBeVisible();
  await page.getByRole("button", { name: /^Edit/ }).click();
  await page.getByLabel("Steps, one a line").fill("Write the test\nMake it pass");
  await page.getByRole("button", { name: "Save as version 2" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Plan, version 2");
  await page.getByRole("button", { name: "Compare" }).click();
  await expect(page).toHaveURL(/compare=1/);
  await expect(page.locator(".diff-added", { hasText: "Make it pass" })).toBeVisible();
});

test("a report that comes in shows up by itself", async ({ signedIn: page, up, request }) => {
  await settled(page);
  const answer = await request.post(`${up.gateway}/ingest/manual`, {
    headers: { Authorization: `Bearer ${up.api_key}` },
    data: { title: "Gift card code is refused at the till", text: "The code on my gift card is said to be unknown." },
  });
  expect(answer.status()).toBe(200);
  await expect(page.getByRole("link", { name: "Gift card code is refused at the till", exact: true })).toBeVisible();
});
