import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";

const FOLDER = join(import.meta.dirname, "../../docs/images/screenshots");

/** A picture for the documentation, only when SCREENSHOTS is set: a test run leaves the tree as it is. */
export async function screenshot(page: Page, name: string): Promise<void> {
  if (!process.env["SCREENSHOTS"]) return;
  const width = page.viewportSize()?.width ?? 1280;
  await page.evaluate(neutral);
  mkdirSync(FOLDER, { recursive: true });
  await page.screenshot({
    path: join(FOLDER, `${name}.png`),
    animations: "disabled",
    clip: { x: 0, y: 0, width, height: 720 },
  });
}

/** Names and paths of the machine that makes the pictures do not belong in them. Runs in the page. */
function neutral(): void {
  const clean = (text: string): string =>
    text.replace(/\/[^\s,"]*\/sample\.git/g, "/srv/git/shop.git").replace(/\b[\w.-]+-[A-Z0-9]{8}\b/g, "runner-1");
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node; node = texts.nextNode()) {
    const text = node.nodeValue ?? "";
    if (clean(text) !== text) node.nodeValue = clean(text);
  }
  for (const input of document.querySelectorAll("input")) input.value = clean(input.value);
}
