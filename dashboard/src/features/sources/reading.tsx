import { useQuery } from "@tanstack/react-query";
import * as queries from "@/api/queries";
import type { SourceName } from "@/api/types";
import { Badge, Time } from "@/components/ui";
import { plural } from "@/lib/plural";

/** How far the collector has read a source, and what keeps it from reading on; nothing for what is not read yet. */
export function Reading({ name }: { readonly name: SourceName }) {
  const polls = useQuery(queries.polls());
  const mine = polls.data?.filter((poll) => poll.source === name) ?? [];
  if (mine.length === 0) return null;
  return (
    <section>
      <h3>Read by the collector</h3>
      <ul className="stack-tight source-reading">
        {mine.map((poll) => (
          <li key={poll.name} className="wrap">
            <strong>{poll.name}</strong>{" "}
            {poll.last_error ? (
              <Badge tone="bad">failed {plural(poll.failures, "time")}</Badge>
            ) : (
              <Badge tone="good">✓ read</Badge>
            )}{" "}
            <span className="small muted">
              last <Time at={poll.finished_at} />
            </span>
            {poll.last_error ? <p className="small">{poll.last_error}</p> : null}
          </li>
        ))}
      </ul>
    </section>
  );
}
