/** Open work that a fix would repeat; what the gateway sends with `similar_work_open`. */
export interface Similar {
  readonly job_id: string;
  readonly cluster_id: string;
  readonly pr_url: string | null;
  readonly reason: string;
}

/** An RFC 9457 problem as the gateway sends it, or what stands in for one when nobody answered. */
export class Problem extends Error {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly code: string;
  readonly requestId: string;
  readonly retryable: boolean;
  readonly jobId: string;
  /** Ways to sign in that the gateway offers: `key`, `github`. */
  readonly signIn: readonly string[];
  readonly errors: readonly { field: string; reason: string }[];
  readonly similar: readonly Similar[];
  /** The version a plan is at, when it moved on (412). */
  readonly version: number | undefined;

  constructor(status: number, body: Record<string, unknown>) {
    const text = (name: string): string => (typeof body[name] === "string" ? body[name] : "");
    super(text("detail") || text("title") || `The gateway answered ${String(status)}`);
    this.status = status;
    this.title = text("title") || `The gateway answered ${String(status)}`;
    this.detail = text("detail");
    this.code = text("code");
    this.requestId = text("request_id");
    this.retryable = body["retryable"] === true || status === 0;
    this.jobId = text("job_id");
    this.signIn = Array.isArray(body["sign_in"]) ? (body["sign_in"] as string[]) : ["key"];
    this.similar = Array.isArray(body["similar"]) ? (body["similar"] as Similar[]) : [];
    this.version = typeof body["version"] === "number" ? body["version"] : undefined;
    this.errors = Array.isArray(body["errors"]) ? (body["errors"] as { field: string; reason: string }[]) : [];
  }
}

/** The problem of a failed fetch: no gateway, no network. */
export function unreachable(cause: unknown): Problem {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new Problem(0, {
    title: "The gateway does not answer",
    detail: `It may be restarting; this page tries again by itself. (${why})`,
    retryable: true,
  });
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
