import { expect, settled, test } from "./page";

test("an API key is shown once and revoked", async ({ signedIn: page, up }) => {
  await page.goto(`${up.gateway}/settings`);
  await settled(page);
  await page.getByLabel("Name", { exact: true }).last().fill("a script");
  await page.getByRole("button", { name: "Make a key" }).click();
  const key = page.locator(".copyable code");
  await expect(key).toHaveText(/^sc_/);
  await page.reload();
  await settled(page);
  await expect(key).toHaveCount(0);
  await page.getByRole("button", { name: "Revoke a script" }).click();
  await page.getByRole("button", { name: "Revoke it" }).click();
  await expect(page.getByRole("cell", { name: "revoked" })).toBeVisible();
});

test("a source's secret goes in and is never shown, and its first event is seen coming", async ({
  signedIn: page,
  up,
  request,
}) => {
  await page.goto(`${up.gateway}/sources?source=datadog`);
  await expect(page.getByText("Waiting for the first event")).toBeVisible();
  await expect(page.getByText("/ingest/datadog/webhook?project_id=default")).toBeVisible();
  await page.getByLabel(/^New Secret/).fill("a-secret-of-datadog");
  await page.getByRole("button", { name: "Set" }).click();
  await expect(page.getByText("✓ set, ends in adog")).toBeVisible();
  const send = (secret: string) =>
    request.post(`${up.gateway}/ingest/datadog/webhook?project_id=default`, {
      headers: { "X-Soulcaster-Secret": secret },
      data: { id: "1", event_title: "Checkout latency is high", text_only_msg: "p95 above 3 s", alert_type: "error" },
    });
  expect((await send("wrong-secret")).status()).toBe(401);
  expect((await send("a-secret-of-datadog")).status()).toBe(200);
  await expect(page.getByText("✓ 1 report received")).toBeVisible({ timeout: 20_000 });
});

test("what a role may not do is explained, not hidden", async ({ page, up, request }) => {
  const made = await request.post(`${up.gateway}/keys`, {
    headers: { Authorization: `Bearer ${up.api_key}` },
    data: { name: "viewer", role: "viewer", project_id: "default" },
  });
  const { key } = (await made.json()) as { key: string };
  await page.goto(`${up.gateway}/#key=${key}`);
  await settled(page);
  await page.goto(`${up.gateway}/c/${up.planted.other_cluster}`);
  const start = page.getByRole("button", { name: /^Start fix/ });
  await expect(start).toHaveAttribute("aria-disabled", "true");
  await expect(start).toHaveAttribute("title", "This needs the role operator; you are signed in as viewer.");
  await start.click({ force: true });
  await expect(page).toHaveURL(/\/c\//);
});

test("without a session the page asks for a key and refuses a wrong one", async ({ page, up }) => {
  await page.goto(up.gateway);
  await expect(page.getByRole("heading", { name: "Sign in to Soulcaster" })).toBeVisible();
  await page.getByLabel("API key").fill("sc_wrong_key");
  await page.getByRole("button", { name: "Sign in with the key" }).click();
  await expect(page.getByRole("alert")).toContainText("unknown, expired or revoked");
});

test("a dead letter is dropped after it was asked", async ({ signedIn: page, up }) => {
  await page.goto(`${up.gateway}/stuck`);
  await expect(page.getByText("feedback.default.sentry")).toBeVisible();
  await page.getByRole("button", { name: "Drop" }).click();
  await page.getByRole("button", { name: "Keep it" }).click();
  await expect(page.getByText("feedback.default.sentry")).toBeVisible();
});

test("single keys can be switched off", async ({ signedIn: page, up }) => {
  await page.goto(`${up.gateway}/settings`);
  await settled(page);
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
  await page.keyboard.press("Escape");
  await page.getByLabel(/Single-key shortcuts/).uncheck();
  await page.getByRole("heading", { name: "Settings" }).click();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog")).toHaveCount(0);
});
