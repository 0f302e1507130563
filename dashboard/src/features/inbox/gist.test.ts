import { expect, it } from "vitest";
import { gist } from "./gist";

it("leaves out the line of numbers and nothing else", () => {
  const summary =
    "ValueError at shop/price.py:8.\n6 reports from github, sentry since 2026-11-20 08:14 UTC.\n“It breaks.”";
  expect(gist(summary)).toBe("ValueError at shop/price.py:8. “It breaks.”");
  expect(gist("12 reports from people who pay by card say so.")).toBe("12 reports from people who pay by card say so.");
  expect(gist("")).toBe("");
});
