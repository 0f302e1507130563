import { describe, expect, it } from "vitest";
import { conflictOf, fieldName, groundOf, otherNotes } from "./ground";

const at = "2026-11-23T12:00:00Z";

describe("the ground of a plan", () => {
  it("stands when it was checked and nothing was noted", () => {
    expect(groundOf({ notes: ["Made from evidence."], checked_at: at }).state).toBe("stands");
  });

  it("is stale when the planner says which files changed", () => {
    const notes = ["Stale: since 0123 these files of the plan changed on main: a.py. Generate again."];
    expect(groundOf({ notes, checked_at: at })).toEqual({
      state: "stale",
      note: "Since 0123 these files of the plan changed on main: a.py. Generate again.",
    });
  });

  it("is unknown when nobody looked, or nobody could", () => {
    expect(groundOf({ notes: [], checked_at: null }).state).toBe("unknown");
    const notes = ["Stale: it could not be checked in time whether the files changed."];
    expect(groundOf({ notes, checked_at: at }).state).toBe("unknown");
  });

  it("is told once, not again among the notes", () => {
    expect(otherNotes({ notes: ["Stale: x", "Made by hand"] })).toEqual(["Made by hand"]);
  });
});

it("a conflict names the field, the edit that is kept and what the planner proposes", () => {
  const text = "candidate_files: the edit of version 2 is kept; the planner now proposes: a.py | b.py";
  expect(conflictOf(text)).toEqual({
    field: "candidate_files",
    kept: "the edit of version 2 is kept",
    proposed: "a.py | b.py",
  });
  expect(conflictOf("something else").kept).toBe("something else");
  expect(fieldName("candidate_files")).toBe("Files");
  expect(fieldName("some_field")).toBe("some field");
});
