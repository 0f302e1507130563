import { defineConfig } from "@playwright/test";

/**
 * Needs Chromium (Debian: apt-get install chromium; elsewhere set CHROMIUM) and a running stack, which e2e/stack.ts starts
 * when SOULCASTER_STACK names none. One browser at a time: the tests share the stack. Every
 * wait is for a condition; the limits only end what would never come, also on a machine that does other work.
 */
export default defineConfig({
  testDir: "e2e",
  globalSetup: "./e2e/stack.ts",
  workers: 1,
  timeout: 180_000,
  expect: { timeout: 30_000 },
  reporter: [["list"]],
  outputDir: "test-results",
  use: {
    viewport: { width: 1280, height: 860 },
    actionTimeout: 30_000,
    launchOptions: {
      executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
