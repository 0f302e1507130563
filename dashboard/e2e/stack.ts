import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** What tests/e2e/page_stack.py says of the instance it started. */
export interface Stack {
  readonly gateway: string;
  readonly api_key: string;
  readonly link: string;
  /** The bare repository of its fixes. */
  readonly repository: string;
  readonly pids: Readonly<Record<string, number>>;
  readonly planted: Readonly<Record<PlantedName, string>>;
}
type PlantedName =
  "cluster" | "second_cluster" | "other_cluster" | "hostile_cluster" | "long_job" | "hostile_job" | "held_job";

export function stack(): Stack {
  const path = process.env["SOULCASTER_STACK"];
  if (!path) throw new Error("SOULCASTER_STACK is not set: run the tests with `npm run e2e`");
  return JSON.parse(readFileSync(path, "utf8")) as Stack;
}

/** Starts the stack unless one is given, and stops what it started. */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env["SOULCASTER_STACK"]) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "soulcaster-page-"));
  const ready = join(folder, "ready.json");
  const python = process.env["PYTHON"] ?? ".venv/bin/python";
  const child = spawn(python, ["-m", "tests.e2e.page_stack", "--data", join(folder, "data"), "--ready", ready], {
    cwd: join(import.meta.dirname, "../.."),
    stdio: ["ignore", "ignore", "inherit"],
  });
  for (let waited = 0; !existsSync(ready); waited += 1) {
    if (child.exitCode !== null || waited > 1200) throw new Error("the stack did not start; its words stand above");
    await pause(100);
  }
  process.env["SOULCASTER_STACK"] = ready;
  return async () => {
    const over = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGINT");
    await over;
    rmSync(folder, { recursive: true, force: true });
  };
}
