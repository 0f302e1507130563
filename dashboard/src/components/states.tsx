import type { ReactNode } from "react";
import { Link } from "react-router";
import { message, Problem } from "@/lib/problem";
import { Button } from "./ui";

export function Empty({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className="state">
      <p className="state-title">{title}</p>
      {children}
    </div>
  );
}

/** Placeholder rows, announced once. */
export function Loading({ what, rows = 4 }: { readonly what: string; readonly rows?: number }) {
  return (
    <div className="skeleton" role="status">
      <span className="skeleton-text">Loading {what}…</span>
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} className="skeleton-row" aria-hidden="true" />
      ))}
    </div>
  );
}

export function Failed({ error, retry }: { readonly error: unknown; readonly retry?: () => void }) {
  const problem = error instanceof Problem ? error : undefined;
  if (problem?.status === 404) {
    return (
      <Empty title={problem.detail || "There is no such thing"}>
        <p className="muted">The address may be old, or it belongs to another project.</p>
        <p>
          <Link to="/">Back to the inbox</Link>
        </p>
      </Empty>
    );
  }
  const title = problem?.title ?? "The page hit a defect of its own";
  const detail = problem ? problem.detail : message(error);
  return (
    <div className="state state-bad" role="alert">
      <p className="state-title">{title}</p>
      {detail && detail !== title ? <p className="wrap">{detail}</p> : null}
      {problem?.errors.length ? (
        <ul>
          {problem.errors.map((e) => (
            <li key={e.field}>
              <code>{e.field}</code> {e.reason}
            </li>
          ))}
        </ul>
      ) : null}
      {problem?.requestId ? (
        <p className="small">
          Request <code>{problem.requestId}</code>
        </p>
      ) : null}
      {retry ? <Button onClick={retry}>Try again</Button> : null}
    </div>
  );
}

/** The problem of an act, beside the button that caused it. */
export function Refused({ error }: { readonly error: unknown }) {
  if (!error) return null;
  return (
    <p className="banner tone-bad wrap" role="alert">
      {message(error)}
    </p>
  );
}

interface QueryLike<T> {
  readonly data: T | undefined;
  readonly error: unknown;
  readonly refetch: () => unknown;
}

interface LoadedProps<T> {
  readonly query: QueryLike<T>;
  readonly what: string;
  readonly rows?: number;
  readonly children: (data: T) => ReactNode;
}

/** Loading, failed, or the data; data that is shown stays shown, marked as old, when a refresh fails. */
export function Loaded<T>({ query, what, children, rows }: LoadedProps<T>) {
  if (query.data !== undefined) {
    return (
      <>
        {query.error ? (
          <p className="banner tone-warn wrap" role="status">
            Not up to date: {message(query.error)}
          </p>
        ) : null}
        {children(query.data)}
      </>
    );
  }
  if (query.error) {
    return (
      <Failed
        error={query.error}
        retry={() => {
          query.refetch();
        }}
      />
    );
  }
  return <Loading what={what} {...(rows ? { rows } : {})} />;
}
