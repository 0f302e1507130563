import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "react-router";
import { useMay } from "@/api/session";
import type { Proposal } from "@/api/types";
import { Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { Button, Untrusted } from "@/components/ui";
import { call } from "@/lib/http";
import { plural } from "@/lib/plural";

interface Props {
  readonly proposal: Proposal;
  /** The cluster that is being looked at, so that it is not named again. */
  readonly here?: string | undefined;
  /** Title of the cluster that the other one would become part of. */
  readonly intoTitle?: string | undefined;
}

/** What late evidence proposes, a merge or a split: a person decides, and is not asked again. */
export function ProposalChoice({ proposal, here, intoTitle }: Props) {
  const client = useQueryClient();
  const blocked = useMay()("triager");
  const split = proposal.kind === "split";
  const decide = useMutation({
    mutationFn: (accept: boolean) => call("POST", `/proposals/${proposal.id}`, { body: { accept } }),
    onSuccess: (_, accept) => {
      void client.invalidateQueries();
      toast(
        accept ? (split ? "Split; History has Undo" : "Merged; History has Undo") : "Noted; it is not proposed again",
      );
    },
  });
  return (
    <li className="spread proposal">
      <div className="stack-tight">
        {split ? (
          <SplitText proposal={proposal} here={here} title={intoTitle} />
        ) : (
          <MergeText proposal={proposal} here={here} intoTitle={intoTitle} />
        )}
        <p className="small muted wrap">{evidence(proposal)}</p>
        <Refused error={decide.error} />
      </div>
      <span className="row">
        <Button
          kind="primary"
          blocked={blocked}
          busy={decide.isPending && decide.variables}
          onClick={() => {
            decide.mutate(true);
          }}
        >
          {split ? "Split" : "Merge"}
        </Button>
        <Button
          blocked={blocked}
          busy={decide.isPending && !decide.variables}
          onClick={() => {
            decide.mutate(false);
          }}
        >
          {split ? "Keep together" : "Keep apart"}
        </Button>
      </span>
    </li>
  );
}

function evidence(proposal: Proposal): string {
  const why = proposal.reasons
    .slice(0, 2)
    .map((reason) => reason.detail)
    .join("; ");
  if (proposal.kind === "split") return why;
  return `${String(Math.round(proposal.score * 100))} % alike${why ? `: ${why}` : ""}`;
}

function MergeText({ proposal, here, intoTitle }: Props) {
  const other = proposal.other === here ? proposal.into : proposal.other;
  if (here) {
    return (
      <p className="wrap">
        The same as{" "}
        <Link to={`/c/${other}`}>
          <Untrusted text={proposal.other_title || other} />
        </Link>
        ?
      </p>
    );
  }
  return (
    <p className="wrap">
      <Link to={`/c/${proposal.other}`}>
        <Untrusted text={proposal.other_title || proposal.other} />
      </Link>{" "}
      into{" "}
      <Link to={`/c/${proposal.into}`}>
        <Untrusted text={intoTitle ?? proposal.into} />
      </Link>
    </p>
  );
}

interface SplitProps {
  readonly proposal: Proposal;
  readonly here: string | undefined;
  readonly title: string | undefined;
}

function SplitText({ proposal, here, title }: SplitProps) {
  return (
    <>
      <p className="wrap">
        {here ? (
          "These reports read like"
        ) : (
          <>
            <Link to={`/c/${proposal.into}`}>
              <Untrusted text={title ?? proposal.into} />
            </Link>{" "}
            reads like
          </>
        )}{" "}
        {plural(proposal.groups.length, "thing")}, not one:
      </p>
      <ol className="proposal-groups">
        {proposal.groups.map((group) => (
          <li key={group.feedback_ids[0]} className="wrap">
            <Untrusted text={group.title || "Untitled"} />{" "}
            <span className="small muted">{plural(group.feedback_ids.length, "report")}</span>
          </li>
        ))}
      </ol>
    </>
  );
}
