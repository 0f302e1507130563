import { useQuery } from "@tanstack/react-query";
import * as queries from "@/api/queries";
import { ProposalChoice } from "@/components/triage/proposal";
import { plural } from "@/lib/plural";

const SHOWN = 3;

/** What late evidence proposes for the whole inbox. Nothing to decide, nothing shown. */
export function Proposals() {
  const query = useQuery(queries.proposals());
  const known = useQuery(queries.clusters()).data;
  if (!query.data?.length) return null;
  const more = query.data.length - SHOWN;
  return (
    <section className="panel proposals" aria-label="Proposed merges and splits">
      <h2>Grouped right?</h2>
      <ul className="plain stack">
        {query.data.slice(0, SHOWN).map((proposal) => (
          <ProposalChoice
            key={proposal.id}
            proposal={proposal}
            intoTitle={known?.find((one) => one.id === proposal.into)?.title}
          />
        ))}
      </ul>
      {more > 0 ? <p className="small muted">{plural(more, "more question")} after these.</p> : null}
    </section>
  );
}
