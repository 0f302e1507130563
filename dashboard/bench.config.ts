import { defineConfig } from "@playwright/test";
import tests from "./playwright.config";

/** What is measured, not tested: run by `python -m benchmarks.bench_page`, which starts the stack and reads the lines. */
export default defineConfig({ ...tests, testMatch: "bench.ts", timeout: 600_000 });
