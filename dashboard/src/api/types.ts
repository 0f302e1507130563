/** The shapes the page reads. Generated types (api/generated.ts) hold the whole surface; these name what is shown. */
export type ClusterStatus = "new" | "fixing" | "pr_opened" | "failed" | "resolved" | "dismissed";
export type JobStatus = "pending" | "running" | "success" | "failed" | "cancelled" | "needs_review";
export type Severity = "critical" | "high" | "medium" | "low";
export type Trust = "public" | "authenticated" | "staff";

export interface Reason { kind: string; detail: string; weight: number }
export interface Suggestion { cluster_id: string; title: string; item_id: string; score: number; reasons: Reason[] }

export interface Feedback {
  id: string; source: string; external_id: string; title: string; body: string; raw_text: string; created_at: string;
  status: "open" | "closed"; trust: Trust; cluster_id: string | null; score: number | null; reasons: Reason[];
  suggestions: Suggestion[]; pinned: boolean; stacktrace: string | null; level: string | null; environment: string | null;
  release: string | null; github_issue_url: string | null; metadata: Record<string, unknown>;
}

export interface Cluster {
  id: string; project_id: string; title: string; summary: string; count: number; status: ClusterStatus; sources: string[];
  github_pr_url: string | null; github_repo_url: string | null; suggested_repo_url: string | null; users_affected: number;
  severity: Severity; trust: Trust; first_seen: string | null; last_seen: string | null; created_at: string; updated_at: string;
  revision: number; job_id: string | null; error_message: string | null; dismissed_reason: string | null;
  snoozed_until: number | null; regressed_at: string | null; regressions: number; merged_into: string | null; edited_fields: string[];
}

export interface Day { day: string; count: number }
export interface Proposal { id: string; into: string; other: string; other_title: string; score: number; reasons: Reason[] }
export interface ClusterDetail extends Cluster {
  feedback_items: Feedback[]; next_cursor: string | null; timeline: Day[]; proposals: Proposal[];
}
export interface HistoryEntry {
  id: string; kind: string; actor: string; at: string; message: string; reversible: boolean; undone: boolean;
}

export interface Symbol { name: string; kind: string; start_line: number; end_line: number }
export interface CandidateFile { path: string; score: number; reasons: string[]; symbols: Symbol[] }
export interface Hypothesis {
  statement: string; confidence: number; evidence_for: string[]; evidence_against: string[]; refuted_by: string;
}
export interface ValidationStep { title: string; command: string | null; kind: "test" | "lint" | "manual" }
export interface SuspectCommit { sha: string; title: string; author: string; at: string | null; reason: string }
export interface Forecast { tokens: number | null; cost_usd: number | null; minutes: number | null; basis: string }
export interface Plan {
  id: string; cluster_id: string; version: number; title: string; description: string; summary: string;
  reports: { feedback_id: string; source: string; title: string; trust: string }[]; hypotheses: Hypothesis[];
  candidate_files: CandidateFile[]; suspect_commits: SuspectCommit[]; steps: string[]; validation_steps: ValidationStep[];
  setup_commands: string[]; test_command: string | null; nearest_tests: string[]; reproduction: string; risks: string[];
  confidence: number; expected_size: string; forecast: Forecast | null; repo_url: string; base_branch: string; base_commit: string;
  grounded: "evidence" | "model"; model: string | null; notes: string[]; conflicts: string[]; edited_fields: string[];
  author: string; approved_by: string | null; approved_at: string | null; created_at: string; updated_at: string;
}

export interface Failure { kind: string; reason: string; action: string; detail: string }
export interface Usage {
  requests: number; input_tokens: number; output_tokens: number; cost_usd: number; log_bytes: number; agent_seconds: number;
}
export interface Job {
  id: string; project_id: string; cluster_id: string; plan_id: string | null; runner: string; status: JobStatus; phase: string;
  attempt: number; logs: string | null; pr_url: string | null; artifact_url: string | null; error: Failure | string | null;
  created_at: string; updated_at: string; started_at: string | null; finished_at: string | null;
  usage?: Usage | null; cluster_title?: string | null;
}
export interface JobEvent {
  n: number; job_id: string; cluster_id: string; status: JobStatus; phase: string; attempt: number; runner: string;
  pr_url: string | null; failure: Failure | null; usage: Usage; message: string; at: string;
}
export interface LogChunk {
  job_id: string; attempt: number; first: number; lines: string[]; stream: string; phase: string; step: string | null;
  partial: boolean; end: boolean; at: string;
}
export interface Check { command: string; on: "base" | "patch"; exit_code: number | null; passed: boolean; seconds: number; output_tail: string }
export interface Report {
  verification: { checks: Check[]; verdict: string; reason: string };
  findings: { rule: string; verdict: "block" | "hold" | "note"; path: string; detail: string }[];
  changed_files: string[]; outside_plan: string[]; additions: number; deletions: number; summary: string;
}
export interface Runner {
  runner: string; instance: string; sandbox: string; agent: string; capabilities: string[]; slots: number; busy: number;
  jobs: string[]; problem: string | null; version: string; started_at: string; seen_at: string;
}
export interface DeadLetter {
  id: string; service: string; subject: string; stream: string; sequence: number; reason: string; deliveries: number; data: string; at: string;
}
export interface Stats { total_feedback: number; by_source: Record<string, number>; total_clusters: number; by_status?: Record<string, number> }

export const TERMINAL: readonly JobStatus[] = ["success", "failed", "cancelled", "needs_review"];
