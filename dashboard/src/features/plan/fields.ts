import type { Plan } from "@/api/types";

/** A plan as the fields a person edits, each as text. */
export interface Fields {
  readonly title: string;
  readonly summary: string;
  readonly hypotheses: string;
  readonly files: string;
  readonly steps: string;
  readonly command: string;
  readonly reproduction: string;
  readonly risks: string;
}

export const LABELS: Record<keyof Fields, string> = {
  title: "Title",
  summary: "Summary",
  hypotheses: "Likely causes, one a line",
  files: "Files, one a line",
  steps: "Steps, one a line",
  command: "Test command",
  reproduction: "Reproduction",
  risks: "Risks, one a line",
};

const lines = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

export function fieldsOf(plan: Plan): Fields {
  return {
    title: plan.title,
    summary: plan.summary || plan.description,
    hypotheses: plan.hypotheses.map((one) => one.statement).join("\n"),
    files: plan.candidate_files.map((file) => file.path).join("\n"),
    steps: plan.steps.join("\n"),
    command: plan.test_command ?? "",
    reproduction: plan.reproduction,
    risks: plan.risks.join("\n"),
  };
}

/** What a PATCH carries: only the fields that were changed; what was known of a file or a cause stays with it. */
export function changesOf(plan: Plan, now: Fields): Record<string, unknown> {
  const before = fieldsOf(plan);
  const changed = (name: keyof Fields): boolean => before[name] !== now[name];
  const changes: Record<string, unknown> = {};
  if (changed("title")) changes["title"] = now.title;
  if (changed("summary")) changes["summary"] = now.summary;
  if (changed("hypotheses")) {
    const known = new Map(plan.hypotheses.map((one) => [one.statement, one]));
    changes["hypotheses"] = lines(now.hypotheses).map((statement) => known.get(statement) ?? { statement });
  }
  if (changed("files")) {
    const known = new Map(plan.candidate_files.map((file) => [file.path, file]));
    changes["candidate_files"] = lines(now.files).map(
      (path) => known.get(path) ?? { path, reasons: ["named by a person"] },
    );
  }
  if (changed("steps")) changes["steps"] = lines(now.steps);
  if (changed("command")) changes["test_command"] = now.command || null;
  if (changed("reproduction")) changes["reproduction"] = now.reproduction;
  if (changed("risks")) changes["risks"] = lines(now.risks);
  return changes;
}
