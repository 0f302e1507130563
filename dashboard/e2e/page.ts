import { expect, test as base, type Locator, type Page } from "@playwright/test";
import { stack, type Stack } from "./stack";

interface Fixtures {
  readonly up: Stack;
  /** A page that is signed in; a test fails when a script of the page breaks or when anything pops up. */
  readonly signedIn: Page;
}

export const test = base.extend<Fixtures>({
  up: async ({}, use) => use(stack()), // eslint-disable-line no-empty-pattern -- Playwright reads the pattern
  signedIn: async ({ page, up }, use) => {
    const wrong: string[] = [];
    page.on("pageerror", (error) => wrong.push(`script: ${error.message}`));
    page.on("dialog", (dialog) => {
      wrong.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("console", (line) => {
      if (line.text().includes("Content Security Policy")) wrong.push(line.text());
    });
    await signIn(page, up);
    await use(page);
    expect(wrong).toEqual([]);
  },
});

export async function signIn(page: Page, up: Stack): Promise<void> {
  await page.goto(up.link);
  await expect(page.getByRole("navigation", { name: "Pages" })).toBeVisible();
}

/** The key again and again until the element has the focus: 60 times at most. */
export async function press(page: Page, key: string, target: Locator): Promise<void> {
  const focused = (): Promise<boolean> => target.evaluate((element) => element === document.activeElement);
  for (let tries = 0; tries < 60 && !(await focused()); tries += 1) {
    await page.keyboard.press(key);
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve))); // the list moves the focus then
  }
  await expect(target).toBeFocused();
}

/** Every page and state that can be opened by its address. */
export function addresses(up: Stack): Record<string, string> {
  const { cluster, hostile_cluster, hostile_job, held_job, long_job } = up.planted;
  return {
    inbox: "/",
    "inbox-empty-view": "/?view=dismissed&q=nothing",
    search: "/find?q=password",
    "search-nothing": "/find?q=zzzz",
    cluster: `/c/${cluster}`,
    "cluster-history": `/c/${cluster}?tab=history`,
    "cluster-near": `/c/${cluster}?tab=near`,
    "cluster-hostile": `/c/${hostile_cluster}`,
    plan: `/c/${cluster}/plan`,
    jobs: "/r",
    "job-held": `/r/${held_job}`,
    "job-diff": `/r/${held_job}?tab=diff`,
    "job-report": `/r/${held_job}?tab=report`,
    "job-timeline": `/r/${held_job}?tab=events`,
    "job-failed": `/r/${long_job}`,
    "job-hostile": `/r/${hostile_job}`,
    "job-hostile-steps": `/r/${hostile_job}?tab=steps`,
    "dead-letters": "/stuck",
    sources: "/sources",
    "sources-github": "/sources?source=github",
    "sources-manual": "/sources?source=manual",
    settings: "/settings",
    health: "/status",
    "job-no-patch": `/r/${hostile_job}?tab=diff`,
    "cluster-missing": "/c/nope",
    "job-missing": "/r/nope",
    "not-found": "/no/such/page",
  };
}

/** Nothing loads any more. */
export async function settled(page: Page): Promise<void> {
  await expect(page.locator("main")).toBeVisible();
  await expect(page.locator(".skeleton")).toHaveCount(0);
  await page.waitForFunction(() => document.fonts.status === "loaded");
}

export { expect };
