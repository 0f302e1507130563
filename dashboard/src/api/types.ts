import type { components } from "./generated";

/** Shapes of the gateway, from its OpenAPI document; by hand only what the document leaves open or SSE carries. */
type Schemas = components["schemas"];

export type Cluster = Schemas["ClusterView"];
export type ClusterDetail = Schemas["ClusterDetail"];
export type ClusterStatus = Cluster["status"];
export type ClustersChanged = Schemas["ClustersChanged"];
export type Feedback = Schemas["FeedbackView"];
export type Day = Schemas["Day"];
export type Proposal = Schemas["Proposal"];
export type HistoryEntry = Schemas["HistoryEntry"];
export type Plan = Schemas["Plan"];
export type Report = Schemas["Report"];
export type SearchResult = Schemas["SearchResult"];
export type Stats = Schemas["Stats"];
export type Session = Schemas["SessionInfo"];
export type Role = Schemas["Key"]["role"];
export type Project = Schemas["Project"];
export type ApiKey = Schemas["Key"];
/** A line of who may sign in with GitHub; `from` (`project` or `installation`) says which list names them. */
export type Member = Schemas["Member"] & { from?: string };
export type NewKey = Schemas["KeyMade"];
export type Polled = Schemas["Polled"];
export type ClusteringStatus = Schemas["ClusteringStatus"];
export type SourceName = Feedback["source"];

export interface Failure {
  kind: string;
  reason: string;
  action: string;
  detail: string;
}
export interface Usage {
  requests: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number;
  log_bytes: number;
  agent_seconds: number;
}
/** The document calls `failure` and `usage` objects without naming their fields. */
type Known<T> = { [K in keyof T as string extends K ? never : K]: T[K] };
export type Job = Omit<Known<Schemas["AgentJob"]>, "failure" | "usage" | "waiting" | "limits" | "left"> & {
  failure?: Failure | null;
  usage?: Usage | null;
  waiting?: { reason: string; until?: string | null } | null;
  limits?: { tokens?: number; cost_usd?: number } | null;
};
export type JobStatus = Job["status"];

/** The document leaves the filters of a source open: they differ per source. */
export type SourceSettings = Schemas["SourceSettings"] & Partial<Record<FilterName, string[] | null>>;
export type FilterName = "environments" | "levels" | "searches" | "monitors" | "event_types" | "repos" | "subreddits";

export interface Runner {
  runner: string;
  instance: string;
  sandbox: string;
  agent: string;
  capabilities: string[];
  slots: number;
  busy: number;
  jobs: string[];
  problem: string | null;
  version: string;
  started_at: string;
  seen_at: string;
}
export interface DeadLetter {
  id: string;
  service: string;
  subject: string;
  stream: string;
  sequence: number;
  reason: string;
  deliveries: number;
  data: string;
  data_cut: boolean;
  at: string;
}

/** `event: status` of a job and `event: job` of a project. */
export interface JobEvent {
  n: number;
  job_id: string;
  cluster_id: string;
  status: JobStatus;
  phase: string;
  attempt: number;
  runner: string;
  pr_url: string | null;
  failure: Failure | null;
  usage: Usage;
  message: string;
  at: string;
}
/** `event: log` of a job. */
export interface LogChunk {
  job_id: string;
  attempt: number;
  first: number;
  lines: string[];
  stream: string;
  phase: string;
  step: string | null;
  partial: boolean;
  end: boolean;
  at: string;
}

export const TERMINAL: readonly JobStatus[] = ["success", "failed", "cancelled", "needs_review"];
