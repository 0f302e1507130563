import { expect, it } from "vitest";
import { everyDay, runningSums } from "./timeline";

it("days without a report are days too, and the last one is today", () => {
  const days = everyDay(
    [
      { day: "2026-11-20", count: 3 },
      { day: "2026-11-23", count: 1 },
    ],
    "2026-11-24",
  );
  expect(days).toHaveLength(14);
  expect(days[0]?.day).toBe("2026-11-11");
  expect(days.slice(-5).map((day) => day.count)).toEqual([3, 0, 0, 1, 0]);
  expect(runningSums(days).at(-1)).toBe(4);
});

it("a long history begins with its first report", () => {
  const days = everyDay([{ day: "2026-09-01", count: 1 }], "2026-11-24");
  expect(days[0]).toEqual({ day: "2026-09-01", count: 1 });
  expect(days.at(-1)?.day).toBe("2026-11-24");
});
