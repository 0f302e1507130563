import { Link } from "react-router";
import type { Similar } from "@/lib/problem";
import { Button, OutLink, Untrusted } from "./ui";

interface Props {
  readonly similar: readonly Similar[];
  /** The cluster that the fix is for. */
  readonly here: string;
  readonly busy: boolean;
  readonly anyway: () => void;
  readonly leave: () => void;
}

/** Why the gateway would rather not start this fix, what it would repeat, and the way on for who knows better. */
export function SimilarWork({ similar, here, busy, anyway, leave }: Props) {
  return (
    <div className="banner tone-warn stack-tight similar" role="alert">
      <p>
        <strong>Not started: somebody is at it already.</strong> A second fix of the same thing costs money and ends in
        two pull requests.
      </p>
      <ul>
        {similar.map((one) => (
          <li key={one.job_id} className="wrap">
            {one.pr_url ? (
              <OutLink href={one.pr_url}>A pull request</OutLink>
            ) : (
              <Link to={`/r/${one.job_id}`}>A fix</Link>
            )}
            {one.cluster_id === here ? null : (
              <>
                {" "}
                for <Link to={`/c/${one.cluster_id}`}>another cluster</Link>
              </>
            )}
            : <Untrusted text={one.reason} />
          </li>
        ))}
      </ul>
      <div className="row">
        <Button busy={busy} onClick={anyway}>
          Start anyway
        </Button>
        <Button kind="quiet" onClick={leave}>
          Leave it
        </Button>
      </div>
    </div>
  );
}
