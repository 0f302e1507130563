import type { Locator, Page } from "@playwright/test";
import { expect, settled, test } from "./page";

interface Frames {
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly most_ms: number;
  readonly fps: number;
}

function tell(bench: string, numbers: object): void {
  console.log(JSON.stringify({ bench, ...numbers }));
}

function summary(times: number[]): Frames {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => Number((sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1));
  const mean = times.reduce((sum, one) => sum + one, 0) / times.length;
  return { p50_ms: at(0.5), p95_ms: at(0.95), most_ms: at(1), fps: Number((1000 / mean).toFixed(1)) };
}

/** Milliseconds of each frame while the box is scrolled by `by` pixels a frame; 0 leaves it idle. */
async function scrolled(box: Locator, by: number, frames = 180): Promise<Frames> {
  const times = await box.evaluate(
    async (element, [step, count]) => {
      const target = element === document.body ? document.scrollingElement : element;
      const found: number[] = [];
      await new Promise((resolve) => requestAnimationFrame(resolve));
      let last = performance.now();
      for (let frame = 0; frame < count; frame += 1) {
        if (target && step) target.scrollTop += step;
        await new Promise((resolve) => requestAnimationFrame(resolve));
        found.push(performance.now() - last);
        last = performance.now();
      }
      return found;
    },
    [by, frames] as const,
  );
  return summary(times);
}

/** Frame times, and the main thread's own time a frame, which does not grow with what else the machine does. */
async function worked(page: Page, measure: () => Promise<Frames>, frames: number): Promise<object> {
  const tools = await page.context().newCDPSession(page);
  await tools.send("Performance.enable", { timeDomain: "threadTicks" });
  const spent = async (): Promise<number> => {
    const { metrics } = await tools.send("Performance.getMetrics");
    return metrics.find((one) => one.name === "TaskDuration")?.value ?? 0;
  };
  const before = await spent();
  const found = await measure();
  const own = ((await spent()) - before) * 1000;
  await tools.detach();
  return { ...found, thread_ms_a_frame: Number((own / frames).toFixed(2)) };
}

async function largestPaint(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        new PerformanceObserver((list) => {
          resolve(list.getEntries().at(-1)?.startTime ?? 0);
        }).observe({ type: "largest-contentful-paint", buffered: true });
      }),
  );
}

test("first paint", async ({ signedIn: page, up, browser }) => {
  const cookies = await page.context().cookies();
  const paths = { inbox: "/", cluster: `/c/${up.planted.cluster}`, job: `/r/${up.planted.held_job}` };
  for (const [name, path] of Object.entries(paths)) {
    const taken: number[] = [];
    for (let round = 0; round < 7; round += 1) {
      const context = await browser.newContext(); // an empty cache each time
      await context.addCookies(cookies);
      const fresh = await context.newPage();
      await fresh.goto(up.gateway + path);
      await settled(fresh);
      taken.push(await largestPaint(fresh));
      await context.close();
    }
    const sorted = taken.sort((a, b) => a - b);
    tell("page_largest_paint", {
      page: name,
      median_ms: Math.round(sorted[3] ?? 0),
      most_ms: Math.round(sorted[6] ?? 0),
      goal_ms: 1500,
    });
  }
});

test("1,000 clusters", async ({ signedIn: page }) => {
  await settled(page);
  const idle = await scrolled(page.locator("body"), 0, 60);
  const moving = await worked(page, () => scrolled(page.locator("body"), 60, 300), 300);
  const rows = await page.locator("li.cluster").count();
  tell("page_inbox_scroll", { ...moving, idle_p50_ms: idle.p50_ms, rows_drawn: rows, goal_fps: 50 });
  await page.evaluate(() => {
    window.scrollTo(0, 0);
  });
  const began = Date.now();
  for (let press = 0; press < 50; press += 1) await page.keyboard.press("j");
  tell("page_inbox_keys", { ms_a_key: Number(((Date.now() - began) / 50).toFixed(1)) });
  const typed = Date.now();
  await page.keyboard.press("/");
  await page.keyboard.type("zzzzzz");
  await expect(page.getByText(/^No cluster here holds/)).toBeVisible();
  tell("page_inbox_filter", { ms_until_filtered: Date.now() - typed, keys: 7 });
});

test("a log of 200,000 lines", async ({ signedIn: page, up }) => {
  const began = Date.now();
  await page.goto(`${up.gateway}/r/${up.planted.long_job}`);
  const box = page.getByRole("log");
  await expect(box.locator(".log-row").first()).toBeVisible();
  const first = Date.now() - began;
  await expect(box.getByText("AssertionError: 3 != 4")).toBeVisible();
  const whole = Date.now() - began;
  await page.getByRole("button", { name: "Open all" }).click();
  const idle = await scrolled(box, 0, 60);
  await box.evaluate((element) => (element.scrollTop = 0));
  const wheel = await worked(page, () => scrolled(box, 240, 300), 300);
  const jumps = await worked(page, () => scrolled(box, 20_000, 200), 200);
  const heap = await page.evaluate(
    () => (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize,
  );
  const asked = Date.now();
  await page.getByRole("searchbox", { name: "Search the log" }).fill("compiling unit 976");
  await expect(page.getByText("204 found")).toBeVisible();
  tell("page_log_open", { first_line_ms: first, whole_ms: whole, search_ms: Date.now() - asked });
  tell("page_log_scroll", { ...wheel, idle_p50_ms: idle.p50_ms, heap_mb: Math.round(heap / 1e6), goal_fps: 50 });
  tell("page_log_jumps", { ...jumps, idle_p50_ms: idle.p50_ms });
});

test("live lines", async ({ signedIn: page, up }) => {
  const wanted = Number(process.env["LIVE_LINES"] ?? 200);
  const job = (up.planted as Readonly<Record<string, string>>)["live_job"] ?? "";
  await page.goto(`${up.gateway}/r/${job}`);
  await expect(page.locator(".log-bar").getByText("Live")).toBeVisible();
  await expect(page.getByRole("log").getByText(/^tick/).last()).toBeVisible();
  const taken = await page.getByRole("log").evaluate(async (element, count) => {
    const seen = new Map<string, number>();
    const started = Date.now();
    const known = new Set<string>();
    const look = (): void => {
      for (const row of element.querySelectorAll(".log-text")) {
        const text = row.textContent;
        if (known.has(text)) continue;
        known.add(text);
        const sent = Number(/^tick \d+ ([\d.]+)$/.exec(text)?.[1] ?? 0);
        if (sent < started) continue;
        requestAnimationFrame(() => requestAnimationFrame(() => seen.set(text, Date.now() - sent)));
      }
    };
    const watch = new MutationObserver(look);
    watch.observe(element, { childList: true, subtree: true, characterData: true });
    while (seen.size < count && Date.now() - started < 120_000) {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    watch.disconnect();
    return [...seen.values()];
  }, wanted);
  tell("page_live_line", { taken_ms: taken });
});
