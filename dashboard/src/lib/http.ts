import { Problem, unreachable } from "./problem";

export interface CallOptions {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly params?: Record<string, string | number | undefined>;
  readonly signal?: AbortSignal;
}

let project = "";

/** The project every call is scoped to; empty until the session says which. */
export function setProject(id: string): void {
  project = id;
}

export function currentProject(): string {
  return project;
}

export function url(path: string, params: CallOptions["params"] = {}): string {
  const query = new URLSearchParams(project ? { project_id: project } : {});
  for (const [name, value] of Object.entries(params)) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** One call; the decoded JSON, or a thrown Problem. The session cookie travels along, the key never does. */
export async function call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
  const response = await request(method, path, options);
  const type = response.headers.get("content-type") ?? "";
  return (type.includes("json") ? await response.json() : await response.text()) as T;
}

export async function request(method: string, path: string, options: CallOptions = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
  const init: RequestInit = { method, headers, credentials: "same-origin" };
  if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(options.body);
  }
  if (options.signal) init.signal = options.signal;
  let response: Response;
  try {
    response = await fetch(url(path, options.params), init);
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw unreachable(cause);
  }
  if (!response.ok) throw new Problem(response.status, await body(response));
  return response;
}

async function body(response: Response): Promise<Record<string, unknown>> {
  try {
    const decoded: unknown = await response.json();
    return typeof decoded === "object" && decoded !== null ? (decoded as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
