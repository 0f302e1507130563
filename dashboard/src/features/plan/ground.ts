import type { Plan } from "@/api/types";

const STALE = "Stale: ";
const UNCHECKED = "it could not be checked";

export interface Ground {
  readonly state: "stands" | "stale" | "unknown";
  /** What the planner says of it, whole sentences. */
  readonly note: string;
}

/** Whether the plan still stands on the commit it was made on, as the planner last noted it in the plan. */
export function groundOf(plan: Pick<Plan, "notes" | "checked_at">): Ground {
  const note = plan.notes.find((one) => one.startsWith(STALE))?.slice(STALE.length) ?? "";
  if (note.startsWith(UNCHECKED)) return { state: "unknown", note: sentence(note) };
  if (note) return { state: "stale", note: sentence(note) };
  return { state: plan.checked_at ? "stands" : "unknown", note: "" };
}

/** The notes of a plan but what `groundOf` tells. */
export function otherNotes(plan: Pick<Plan, "notes">): string[] {
  return plan.notes.filter((note) => !note.startsWith(STALE));
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

export interface Conflict {
  readonly field: string;
  readonly kept: string;
  readonly proposed: string;
}

/** `steps: the edit of version 2 is kept; the planner now proposes: ...` taken apart. */
export function conflictOf(text: string): Conflict {
  const match = /^(\w+): (.*?); the planner now proposes: (.*)$/s.exec(text);
  return match
    ? { field: match[1] ?? "", kept: match[2] ?? "", proposed: match[3] ?? "" }
    : { field: "", kept: text, proposed: "" };
}

const NAMES: Record<string, string> = {
  title: "Title",
  description: "Description",
  summary: "Summary",
  hypotheses: "Likely causes",
  candidate_files: "Files",
  steps: "Steps",
  validation_steps: "Checks",
  setup_commands: "Setup",
  test_command: "Test command",
  nearest_tests: "Nearest tests",
  reproduction: "Reproduction",
  risks: "Risks",
  suspect_commits: "Suspect commits",
  expected_size: "Size",
};

/** A field of a plan as people read it. */
export function fieldName(field: string): string {
  return NAMES[field] ?? field.replaceAll("_", " ");
}
