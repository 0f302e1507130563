import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import * as queries from "@/api/queries";
import { useMay } from "@/api/session";
import type { Cluster, Proposal } from "@/api/types";
import { Refused } from "@/components/states";
import { toast } from "@/components/toasts";
import { Button, Untrusted } from "@/components/ui";
import { call } from "@/lib/http";

/** Clusters that late evidence says are one: a person decides. Nothing to decide, nothing shown. */
export function Proposals() {
  const query = useQuery(queries.proposals());
  const known = useQuery(queries.clusters());
  if (!query.data?.length) return null;
  return (
    <section className="panel proposals" aria-label="Proposed merges">
      <h2>Are these the same?</h2>
      <ul className="plain stack">
        {query.data.slice(0, 5).map((proposal) => (
          <Choice key={proposal.id} proposal={proposal} into={known.data?.find((one) => one.id === proposal.into)} />
        ))}
      </ul>
    </section>
  );
}

function Choice({ proposal, into }: { readonly proposal: Proposal; readonly into: Cluster | undefined }) {
  const client = useQueryClient();
  const blocked = useMay()("triager");
  const decide = useMutation({
    mutationFn: (accept: boolean) => call("POST", `/proposals/${proposal.id}`, { body: { accept } }),
    onSuccess: (_, accept) => {
      void client.invalidateQueries();
      toast(accept ? "Merged" : "Kept apart; it is not proposed again");
    },
  });
  return (
    <li className="spread">
      <div className="stack-tight">
        <p className="wrap">
          <Link to={`/c/${proposal.other}`}>
            <Untrusted text={proposal.other_title || proposal.other} />
          </Link>{" "}
          into{" "}
          <Link to={`/c/${proposal.into}`}>
            <Untrusted text={into?.title ?? proposal.into} />
          </Link>
        </p>
        <p className="small muted wrap">
          {Math.round(proposal.score * 100)} % alike
          {proposal.reasons.length
            ? `: ${proposal.reasons
                .slice(0, 2)
                .map((r) => r.detail)
                .join("; ")}`
            : ""}
        </p>
        <Refused error={decide.error} />
      </div>
      <span className="row">
        <Button
          kind="primary"
          blocked={blocked}
          busy={decide.isPending}
          onClick={() => {
            decide.mutate(true);
          }}
        >
          Merge
        </Button>
        <Button
          blocked={blocked}
          busy={decide.isPending}
          onClick={() => {
            decide.mutate(false);
          }}
        >
          Keep apart
        </Button>
      </span>
    </li>
  );
}
