import { describe, expect, it } from "vitest";
import { plainText, spans } from "./ansi";

const text = plainText;

describe("terminal text", () => {
  it("keeps colours and drops everything else a terminal obeys", () => {
    const [red, rest] = spans("\u001b[31mred\u001b[0m plain");
    expect(red).toMatchObject({ text: "red", color: "#ff8f87" });
    expect(rest).toEqual({ text: " plain" });
    expect(text("\u001b[2J\u001b[Hhome\u001b]0;title\u0007")).toBe("home");
    expect(text("\u001bP1;2|secret\u001b\\shown")).toBe("shown");
  });

  it("never makes a link of anything but http and https", () => {
    expect(spans("\u001b]8;;javascript:alert(1)\u0007click\u001b]8;;\u0007").some((part) => part.href)).toBe(false);
    expect(spans("\u001b]8;;data:text/html,x\u001b\\click\u001b]8;;\u001b\\").some((part) => part.href)).toBe(false);
    expect(spans("\u001b]8;;https://example.com/\u0007go\u001b]8;;\u0007 on")).toEqual([
      { text: "go", href: "https://example.com/" },
      { text: " on" },
    ]);
  });

  it("leaves markup as text", () => {
    expect(spans("<img src=x onerror=alert(1)>")).toEqual([{ text: "<img src=x onerror=alert(1)>" }]);
  });

  it("shows what a terminal would still show after a carriage return", () => {
    expect(text("10%\r50%\r100%")).toBe("100%");
    expect(text("done\r")).toBe("done");
  });

  it("names characters that hide or reorder text", () => {
    expect(spans("a\u202eb")).toEqual([{ text: "a" }, { text: "U+202E", hidden: true }, { text: "b" }]);
  });

  it("lifts dark colours until they can be read", () => {
    const [part] = spans("\u001b[38;2;10;10;60mdark");
    const [r = 0, g = 0, b = 0] = (part?.color ?? "").match(/\d+/g)?.map(Number) ?? [];
    expect(Math.min(r, g, b)).toBeGreaterThan(80);
  });

  it("survives broken and endless sequences", () => {
    expect(text("\u001b[")).toBe("");
    expect(text(`\u001b]8;;${"x".repeat(10_000)}`)).toBe("");
    expect(text("\u001b[38;5m\u001b[38;2;999;-1;m\u001b[999mok")).toBe("ok");
  });
});
