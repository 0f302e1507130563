import AxeBuilder from "@axe-core/playwright";
import { addresses, expect, settled, test } from "./page";
import { screenshot } from "./screenshot";

const PICTURES = ["jobs", "sources", "settings", "health", "dead-letters", "plan"];

for (const theme of ["light", "dark"] as const) {
  test(`no page has a serious accessibility problem in the ${theme} theme`, async ({ signedIn: page, up }) => {
    test.setTimeout(240_000);
    await page.emulateMedia({ colorScheme: theme });
    const found: string[] = [];
    for (const [name, path] of Object.entries(addresses(up))) {
      await page.goto(up.gateway + path);
      await settled(page);
      const { violations } = await new AxeBuilder({ page })
        .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"])
        .analyze();
      for (const one of violations) {
        if (one.impact !== "serious" && one.impact !== "critical") continue;
        found.push(
          `${name}: ${one.id}: ${one.nodes
            .slice(0, 3)
            .map((node) => node.html.slice(0, 160))
            .join(" | ")}`,
        );
      }
      if (theme === "light" && PICTURES.includes(name)) await screenshot(page, name);
      if (theme === "dark" && name === "inbox") await screenshot(page, "inbox-dark");
    }
    expect(found).toEqual([]);
  });
}

test("dialogs and the sign-in have no serious accessibility problem", async ({ signedIn: page, browser, up }) => {
  const check = async (target: typeof page): Promise<string[]> => {
    const { violations } = await new AxeBuilder({ page: target }).analyze();
    return violations.filter((one) => one.impact === "serious" || one.impact === "critical").map((one) => one.id);
  };
  await settled(page);
  for (const key of ["?", "x", "z", "d"]) {
    await page.keyboard.press(key);
    await expect(page.getByRole("dialog")).toBeVisible();
    expect(await check(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await expect(page.getByRole("dialog")).toHaveCount(0);
  }
  const context = await browser.newContext();
  const stranger = await context.newPage();
  await stranger.goto(up.gateway);
  await expect(stranger.getByRole("heading", { name: "Sign in to Soulcaster" })).toBeVisible();
  expect(await check(stranger)).toEqual([]);
  await context.close();
});

test("every page fits 320 pixels", async ({ signedIn: page, up }) => {
  test.setTimeout(120_000);
  await page.setViewportSize({ width: 320, height: 700 });
  const wide: string[] = [];
  for (const [name, path] of Object.entries(addresses(up))) {
    await page.goto(up.gateway + path);
    await settled(page);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (over > 0) wide.push(`${name}: ${String(over)} px too wide`);
    if (name === "inbox") await screenshot(page, "inbox-320");
  }
  expect(wide).toEqual([]);
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
  await expect(page.getByRole("link", { name: "Invoices show yesterday's date" })).toBeVisible({ timeout: 20_000 });
});

test("the first load is small and quick", async ({ signedIn: page, up }) => {
  await page.goto(`${up.gateway}/`);
  await settled(page);
  const painted = await page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        new PerformanceObserver((list) => {
          resolve(list.getEntries().at(-1)?.startTime ?? 0);
        }).observe({ type: "largest-contentful-paint", buffered: true });
      }),
  );
  console.log(`largest contentful paint ${String(Math.round(painted))} ms`);
  expect(painted).toBeLessThan(1500);
});
