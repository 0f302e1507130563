import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { addresses, expect, settled, test } from "./page";
import { screenshot } from "./screenshot";

const PICTURES = ["jobs", "sources", "settings", "health", "dead-letters", "plan"];

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

async function serious(page: Page, only?: string): Promise<string[]> {
  const builder = new AxeBuilder({ page });
  const { violations } = await (only ? builder.withRules([only]) : builder.withTags(RULES)).analyze();
  return violations
    .filter((one) => one.impact === "serious" || one.impact === "critical")
    .map(
      (one) =>
        `${one.id}: ${one.nodes
          .map((node) => node.html.slice(0, 160))
          .slice(0, 3)
          .join(" | ")}`,
    );
}

test("every page and state is free of serious accessibility problems in both themes and fits 320 pixels", async ({
  signedIn: page,
  up,
}) => {
  test.setTimeout(600_000);
  const found: string[] = [];
  const note = (name: string, problems: readonly string[]): void => {
    found.push(...problems.map((problem) => `${name}: ${problem}`));
  };
  for (const [name, path] of Object.entries(addresses(up))) {
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 1280, height: 860 });
    await page.goto(up.gateway + path);
    await settled(page);
    note(`${name}, light`, await serious(page));
    if (PICTURES.includes(name)) await screenshot(page, name);
    await page.emulateMedia({ colorScheme: "dark" });
    note(`${name}, dark`, await serious(page, "color-contrast")); // a theme changes colours and nothing else
    if (name === "inbox") await screenshot(page, "inbox-dark");
    await page.setViewportSize({ width: 320, height: 700 });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    note(`${name}, 320 pixels`, over > 0 ? [`${String(over)} px too wide`] : []);
    if (name === "inbox") await screenshot(page, "inbox-320");
  }
  expect(found).toEqual([]);
});

test("dialogs and the sign-in have no serious accessibility problem", async ({ signedIn: page, browser, up }) => {
  await settled(page);
  for (const key of ["?", "x", "z", "d", "Control+k"]) {
    await page.keyboard.press(key);
    await expect(page.getByRole("dialog")).toBeVisible();
    expect(await serious(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await expect(page.getByRole("dialog")).toHaveCount(0);
  }
  const context = await browser.newContext();
  const stranger = await context.newPage();
  await stranger.goto(up.gateway);
  await expect(stranger.getByRole("heading", { name: "Sign in to Soulcaster" })).toBeVisible();
  expect(await serious(stranger)).toEqual([]);
  await context.close();
});

test("nothing moves for those who asked for less motion", async ({ signedIn: page, up }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  for (const path of ["/", "/sources?source=splunk", `/r/${up.planted.held_job}`]) {
    await page.goto(up.gateway + path);
    await settled(page);
    const moving = await page.evaluate(
      () => document.getAnimations().filter((one) => one.playState === "running").length,
    );
    expect(moving).toBe(0);
  }
});

test("a lost connection is said, and what was missed comes when it is back", async ({
  signedIn: page,
  context,
  up,
  request,
}) => {
  await settled(page);
  await context.setOffline(true);
  await request.post(`${up.gateway}/ingest/manual`, {
    headers: { Authorization: `Bearer ${up.api_key}` },
    data: { title: "Invoices show yesterday's date", text: "All invoices of today are dated a day too early." },
  });
  await context.setOffline(false);
  await expect(page.getByRole("link", { name: "Invoices show yesterday's date", exact: true })).toBeVisible({
    timeout: 20_000,
  });
});

test("on a slow network the page says what it waits for, and gets there", async ({ signedIn: page, context, up }) => {
  const network = await context.newCDPSession(page);
  const slow = { offline: false, latency: 400, downloadThroughput: 60_000, uploadThroughput: 30_000 };
  await network.send("Network.enable");
  await network.send("Network.emulateNetworkConditions", slow);
  await page.goto(`${up.gateway}/c/${up.planted.cluster}`, { waitUntil: "commit" });
  await expect(page.getByText(/^Loading/).first()).toBeVisible();
  await expect(page.getByRole("heading", { name: "What is reported" })).toBeVisible();
  await page.goto(`${up.gateway}/r/${up.planted.hostile_job}`, { waitUntil: "commit" });
  await expect(page.locator(".log-bar").getByText("Complete")).toBeVisible();
});

test("the first load is at most 250 kB, compressed", async ({ signedIn: page, up }) => {
  await page.goto(`${up.gateway}/`);
  await settled(page);
  const bytes = await page.evaluate(() =>
    (performance.getEntriesByType("resource") as PerformanceResourceTiming[])
      .filter((one) => /\.(js|css|svg)$/.test(new URL(one.name).pathname))
      .reduce((sum, one) => sum + one.encodedBodySize, 0),
  );
  expect(bytes).toBeGreaterThan(10_000);
  expect(bytes).toBeLessThan(250_000);
});
