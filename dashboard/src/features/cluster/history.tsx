import { useQuery } from "@tanstack/react-query";
import * as queries from "@/api/queries";
import { useMay } from "@/api/session";
import { Loaded } from "@/components/states";
import { useUndo } from "@/components/triage/acts";
import { Badge, Button, Time, Untrusted } from "@/components/ui";

/** What happened to the cluster, by whom, and the way back of what people did. */
export function History({ id }: { readonly id: string }) {
  const query = useQuery(queries.history(id));
  const undo = useUndo();
  const blocked = useMay()("triager");
  return (
    <Loaded query={query} what="the history" rows={3}>
      {(entries) =>
        entries.length === 0 ? (
          <p className="muted">Nothing yet.</p>
        ) : (
          <ol className="plain history">
            {entries.map((entry) => (
              <li key={entry.id} className={entry.undone ? "history-entry undone" : "history-entry"}>
                <Badge>{entry.kind}</Badge>
                <span className="wrap">
                  <Untrusted text={entry.message} />
                  <span className="small muted">
                    {" "}
                    {entry.actor}, <Time at={entry.at} />
                    {entry.undone ? ", taken back" : ""}
                  </span>
                </span>
                {entry.reversible && !entry.undone ? (
                  <Button
                    kind="quiet"
                    blocked={blocked}
                    busy={undo.isPending}
                    aria-label={`Undo: ${entry.message}`}
                    onClick={() => {
                      undo.mutate({ id, entry: entry.id });
                    }}
                  >
                    Undo
                  </Button>
                ) : null}
              </li>
            ))}
          </ol>
        )
      }
    </Loaded>
  );
}
