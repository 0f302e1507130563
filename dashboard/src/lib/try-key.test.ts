import { expect, it } from "vitest";
import { Problem, unreachable } from "./problem";
import { TryKey } from "./try-key";

it("an act sent again after a lost answer carries the same key, after a refusal a new one", () => {
  const key = new TryKey();
  const first = key.value;
  key.failed(unreachable(new Error("reset")));
  key.failed(new Problem(503, {}));
  expect(key.value).toBe(first);
  key.failed(new Problem(409, {}));
  expect(key.value).not.toBe(first);
  expect(key.value).toMatch(/^[0-9a-f]{32}$/);
});
