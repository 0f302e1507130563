import { describe, expect, it } from "vitest";
import type { LogChunk } from "@/api/types";
import { linkedIn } from "./line-link";
import { LogRows } from "./log-rows";
import { LogStore } from "./log-store";

const chunk = (first: number, lines: string[], values: Partial<LogChunk> = {}): LogChunk => ({
  job_id: "j",
  attempt: 1,
  first,
  lines,
  stream: "stdout",
  phase: "agent",
  step: null,
  partial: false,
  end: false,
  at: "2026-11-20T10:00:00Z",
  ...values,
});

function logOf(...chunks: LogChunk[]): LogStore {
  const store = new LogStore();
  for (const one of chunks) store.add(one);
  return store;
}

const kinds = (store: LogStore, folds = new Map<string, boolean>()): string[] => {
  const rows = new LogRows(store, folds);
  return Array.from({ length: rows.count }, (_, at) => rows.row(at)?.kind ?? "none");
};

describe("the log store", () => {
  it("takes a chunk that comes twice once", () => {
    const store = logOf(chunk(0, ["a", "b"]), chunk(0, ["a", "b"]), chunk(1, ["b", "c"]));
    expect(store.lines.map((line) => line.text)).toEqual(["a", "b", "c"]);
  });

  it("joins a line that goes on in the next chunk", () => {
    const store = logOf(chunk(0, ["long "], { partial: true }), chunk(1, ["line", "next"]));
    expect(store.lines.map((line) => line.text)).toEqual(["long line", "next"]);
  });

  it("says how many lines never came", () => {
    const store = logOf(chunk(0, ["a"]), chunk(4, ["e"]));
    expect(store.parts[1]?.missing).toBe(3);
    expect(kinds(store)).toEqual(["phase", "line", "gap", "line"]);
  });

  it("numbers each attempt from its own beginning", () => {
    const store = logOf(chunk(0, ["a"]), chunk(0, ["b"], { attempt: 2 }));
    expect(store.lines.map((line) => [line.attempt, line.n])).toEqual([
      [1, 0],
      [2, 0],
    ]);
  });

  it("marks a tool call that ended with an exit code as failed", () => {
    const store = logOf(
      chunk(0, ["$ make", "no rule", "  exit code 2"], { step: "c1" }),
      chunk(3, ["$ ls", "x"], { step: "c2" }),
    );
    expect(store.parts.map((part) => part.failed)).toEqual([true, false]);
  });

  it("finds text whatever its case", () => {
    expect(logOf(chunk(0, ["One", "two", "ONE"])).search("one")).toEqual([0, 2]);
  });
});

describe("the rows of a log", () => {
  const long = Array.from({ length: 30 }, (_, n) => `out ${String(n)}`);

  it("shows a tool call by its first line and closes it when it is long and went well", () => {
    const store = logOf(chunk(0, ["I look"]), chunk(1, ["$ ls", ...long], { step: "c" }), chunk(32, ["done"]));
    expect(kinds(store)).toEqual(["phase", "line", "step", "line"]);
  });

  it("leaves open what failed and what a person opened", () => {
    const failed = logOf(chunk(0, ["$ make", ...long, "  exit code 1"], { step: "c" }), chunk(32, ["then"]));
    expect(kinds(failed)).toHaveLength(1 + 1 + 31 + 1);
    const opened = logOf(chunk(0, ["$ ls", ...long], { step: "c" }), chunk(31, ["then"]));
    expect(kinds(opened, new Map([["0", false]]))).toHaveLength(1 + 1 + 30 + 1);
  });

  it("hides all of a phase that is folded", () => {
    const store = logOf(chunk(0, ["a", "b"], { phase: "checkout" }), chunk(2, ["c"]), chunk(3, ["$ x"], { step: "s" }));
    expect(kinds(store, new Map([["p0", true]]))).toEqual(["phase", "phase", "line", "step"]);
  });

  it("finds the row of a line and of one that is hidden", () => {
    const store = logOf(chunk(0, ["a"]), chunk(1, ["$ ls", ...long], { step: "c" }), chunk(32, ["z"]));
    const rows = new LogRows(store, new Map());
    expect(rows.rowOf(0)).toBe(1);
    expect(rows.rowOf(10)).toBe(2);
    expect(rows.rowOf(32)).toBe(3);
  });

  it("reads the row in the middle of 200,000 lines without making the others", () => {
    const store = new LogStore();
    for (let first = 0; first < 200_000; first += 1000) {
      store.add(
        chunk(
          first,
          Array.from({ length: 1000 }, (_, n) => `line ${String(first + n)}`),
        ),
      );
    }
    const began = performance.now();
    const rows = new LogRows(store, new Map());
    const row = rows.row(100_001);
    expect(performance.now() - began).toBeLessThan(50);
    expect(row?.kind === "line" && row.line.text).toBe("line 100000");
  });
});

describe("a link to lines", () => {
  const store = logOf(chunk(0, ["a", "b", "c"]), chunk(0, ["x"], { attempt: 2 }));

  it("names one line or several of one attempt", () => {
    expect(linkedIn(store, "#a1L2")).toEqual({ from: 1, to: 1 });
    expect(linkedIn(store, "#a1L1-L3")).toEqual({ from: 0, to: 2 });
    expect(linkedIn(store, "#a2L1")).toEqual({ from: 3, to: 3 });
  });

  it("is nothing while the line is not there", () => {
    expect(linkedIn(store, "#a1L9")).toBeNull();
    expect(linkedIn(store, "#plan")).toBeNull();
  });
});
