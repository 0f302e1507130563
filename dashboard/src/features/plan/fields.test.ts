import { expect, it } from "vitest";
import type { Plan } from "@/api/types";
import { changesOf, fieldsOf } from "./fields";

const plan = {
  title: "T",
  summary: "S",
  description: "",
  hypotheses: [{ statement: "H", confidence: 0.5, evidence_for: ["e"], evidence_against: [], refuted_by: "" }],
  candidate_files: [{ path: "a.py", score: 3, reasons: ["trace"], symbols: [] }],
  steps: ["one", "two"],
  test_command: "pytest",
  reproduction: "",
  risks: [],
} as unknown as Plan;

it("sends nothing when nothing was changed", () => {
  expect(changesOf(plan, fieldsOf(plan))).toEqual({});
});

it("sends only what was changed, without empty lines", () => {
  expect(changesOf(plan, { ...fieldsOf(plan), steps: "one\n\n three " })).toEqual({ steps: ["one", "three"] });
});

it("keeps what is known of a file and says that a person named the new one", () => {
  expect(changesOf(plan, { ...fieldsOf(plan), files: "a.py\nb.py" })).toEqual({
    candidate_files: [plan.candidate_files[0], { path: "b.py", reasons: ["named by a person"] }],
  });
});

it("takes the test command away when it is emptied", () => {
  expect(changesOf(plan, { ...fieldsOf(plan), command: "" })).toEqual({ test_command: null });
});
