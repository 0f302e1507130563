import { describe, expect, it } from "vitest";
import { lineDiff } from "./line-diff";
import { Problem } from "./problem";
import { ago, duration, weekOf } from "./time";
import { reveal, safeHref } from "./untrusted";

describe("untrusted text and addresses", () => {
  it("names characters that hide or reorder text", () => {
    expect(reveal("ab\u202ecd\u200b")).toEqual([
      { text: "ab", hidden: false },
      { text: "U+202E", hidden: true },
      { text: "cd", hidden: false },
      { text: "U+200B", hidden: true },
    ]);
  });

  it("links to the web and to our own pages only", () => {
    expect(safeHref("https://example.com/x")).toBe("https://example.com/x");
    expect(safeHref("/pulls/default/j")).toMatch(/\/pulls\/default\/j$/);
    for (const bad of [
      "javascript:alert(1)",
      " javascript:x",
      "data:text/html,x",
      "file:///etc/passwd",
      "",
      null,
      "http://",
    ]) {
      expect(safeHref(bad)).toBeUndefined();
    }
  });
});

describe("lines of two texts", () => {
  it("are the same, added or removed", () => {
    expect(lineDiff("a\nb\nc", "a\nc\nd").map((line) => `${line.kind[0] ?? ""}${line.text}`)).toEqual([
      "sa",
      "rb",
      "sc",
      "ad",
    ]);
  });

  it("are all new when there was nothing", () => {
    expect(lineDiff("", "x")).toEqual([{ kind: "added", text: "x" }]);
  });
});

describe("time", () => {
  it("is told as people tell it", () => {
    const now = Date.parse("2026-11-23T12:00:00Z");
    expect(ago("2026-11-23T11:59:40Z", now)).toBe("just now");
    expect(ago("2026-11-23T09:00:00Z", now)).toBe("3 hours ago");
    expect(duration(0.42)).toBe("0.4 s");
    expect(duration(59.6)).toBe("1 min 00 s");
    expect(duration(3725)).toBe("1 h 02 min");
  });

  it("starts the week on Monday", () => {
    expect(weekOf("2026-11-22T23:00:00Z")).toBe("2026-11-16");
    expect(weekOf("2026-11-23T00:00:00Z")).toBe("2026-11-23");
  });
});

it("a problem says what happened and whether to try again", () => {
  const problem = new Problem(422, {
    title: "Unprocessable",
    detail: "text must not be empty",
    errors: [{ field: "text", reason: "is empty" }],
  });
  expect(problem.message).toBe("text must not be empty");
  expect(problem.retryable).toBe(false);
  expect(problem.errors).toEqual([{ field: "text", reason: "is empty" }]);
});
