import type { ReactNode } from "react";
import { Problem } from "@/lib/problem";
import { Button } from "./ui";

export function Empty({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return <div className="state"><p className="state-title">{title}</p>{children}</div>;
}

/** Placeholder rows, announced once. */
export function Loading({ what, rows = 4 }: { readonly what: string; readonly rows?: number }) {
  return (
    <div className="skeleton" role="status">
      <span className="visually-hidden">Loading {what}</span>
      {Array.from({ length: rows }, (_, index) => <div key={index} className="skeleton-row" aria-hidden="true" />)}
    </div>
  );
}

export function Failed({ error, retry }: { readonly error: unknown; readonly retry?: () => void }) {
  const problem = error instanceof Problem ? error : undefined;
  const title = problem?.title ?? "The page hit a defect of its own";
  const detail = problem ? problem.detail : error instanceof Error ? error.message : String(error);
  return (
    <div className="state state-bad" role="alert">
      <p className="state-title">{title}</p>
      {detail && detail !== title ? <p>{detail}</p> : null}
      {problem?.errors.length ? <ul>{problem.errors.map((e) => <li key={e.field}><code>{e.field}</code> {e.message}</li>)}</ul> : null}
      {problem?.requestId ? <p className="muted">Request <code>{problem.requestId}</code></p> : null}
      {retry ? <Button onClick={retry}>Try again</Button> : null}
    </div>
  );
}

interface QueryLike<T> { readonly data: T | undefined; readonly error: unknown; readonly isPending: boolean; readonly refetch: () => unknown }

/** Loading, failed, or the data; data that is shown stays shown when a refresh fails. */
export function Loaded<T>({ query, what, children, rows }: {
  readonly query: QueryLike<T>; readonly what: string; readonly rows?: number; readonly children: (data: T) => ReactNode;
}) {
  if (query.data !== undefined) {
    return (
      <>
        {query.error ? <p className="banner tone-warn" role="status">Not up to date: {message(query.error)}</p> : null}
        {children(query.data)}
      </>
    );
  }
  if (query.error) return <Failed error={query.error} retry={() => { query.refetch(); }} />;
  return <Loading what={what} {...(rows ? { rows } : {})} />;
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
