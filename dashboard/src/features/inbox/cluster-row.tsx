import { memo } from "react";
import { Link } from "react-router";
import { useMay } from "@/api/session";
import type { Cluster } from "@/api/types";
import { SourceTiles } from "@/components/icons";
import type { TriageAct } from "@/components/triage/dialogs";
import { Badge, Button, OutLink, StatusBadge, Time, TrustBadge, Untrusted } from "@/components/ui";
import { plural } from "@/lib/plural";
import { revealed, safeHref } from "@/lib/untrusted";
import { gist } from "./gist";

const SEVERITY: Record<string, string> = { critical: "bad", high: "warn", low: "muted" };

interface Props {
  readonly cluster: Cluster;
  readonly here: boolean;
  readonly chosen: boolean;
  readonly index: number;
  readonly onHere: (index: number) => void;
  readonly onChoose: (id: string) => void;
  readonly onAct: (index: number, act: TriageAct) => void;
}

/** Drawn again only when it changes: a step through 1,000 clusters draws two of them. */
export const ClusterRow = memo(function ClusterRow({ cluster, here, chosen, index, onHere, onChoose, onAct }: Props) {
  const blocked = useMay()("triager");
  const title = cluster.title || "Untitled";
  const said = revealed(title);
  const told = gist(cluster.summary);
  return (
    <li className={here ? "cluster cluster-at" : "cluster"} onFocus={() => onHere(index)}>
      <label className="cluster-choose">
        <input type="checkbox" checked={chosen} onChange={() => onChoose(cluster.id)} />
        <span className="visually-hidden">Choose {said} for a merge</span>
      </label>
      <span className={`cluster-count severity-${cluster.severity}`} title={plural(cluster.count, "report")}>
        <strong>{cluster.count.toLocaleString("en")}</strong>
        <span className="small">{cluster.count === 1 ? "report" : "reports"}</span>
      </span>
      <div className="cluster-body">
        <Link className="cluster-title wrap" to={`/c/${cluster.id}`}>
          <Untrusted text={title} />
        </Link>
        {told ? (
          <p className="small muted wrap cluster-summary">
            <Untrusted text={told} />
          </p>
        ) : null}
        <p className="row small">
          <SourceTiles sources={cluster.sources} />
          <StatusBadge status={cluster.status} />
          {cluster.regressed_at ? (
            <Badge tone="bad" title="New reports came after it was resolved.">
              ↻ Regressed
            </Badge>
          ) : null}
          {cluster.proposals_open > 0 ? (
            <Badge tone="warn" title="Evidence says that it may have to be merged or split; open it to decide.">
              ? grouped right
            </Badge>
          ) : null}
          {cluster.severity === "medium" ? null : (
            <Badge tone={SEVERITY[cluster.severity] ?? "muted"}>{cluster.severity} severity</Badge>
          )}
          <TrustBadge trust={cluster.trust} />
          <span className="muted">
            last <Time at={cluster.last_seen} />
            {cluster.users_affected > 0 ? ` · ${plural(cluster.users_affected, "user")}` : ""}
          </span>
        </p>
      </div>
      <div className="cluster-acts row">
        <NextStep cluster={cluster} title={said} />
        {cluster.status === "dismissed" ? null : (
          <>
            <Button
              kind="quiet"
              blocked={blocked}
              aria-label={`Snooze ${said}`}
              onClick={() => {
                onAct(index, "snooze");
              }}
            >
              Snooze
            </Button>
            <Button
              kind="quiet"
              blocked={blocked}
              aria-label={`Dismiss ${said}`}
              onClick={() => {
                onAct(index, "dismiss");
              }}
            >
              Dismiss
            </Button>
          </>
        )}
      </div>
    </li>
  );
});

/** What Soulcaster proposes to do about it now: one thing, by where the cluster stands. */
function NextStep({ cluster, title }: { readonly cluster: Cluster; readonly title: string }) {
  if (cluster.status === "pr_opened" && safeHref(cluster.github_pr_url)) {
    return (
      <OutLink className="button button-next" href={cluster.github_pr_url}>
        Review pull request
      </OutLink>
    );
  }
  const job = cluster.status in JOB ? cluster.job_id : null;
  if (job) {
    return (
      <Link className="button button-next" to={`/r/${job}`} aria-label={`${JOB[cluster.status] ?? ""}: ${title}`}>
        {JOB[cluster.status]}
      </Link>
    );
  }
  if (cluster.status !== "new" && cluster.status !== "failed") return null;
  return (
    <Link className="button button-next" to={`/c/${cluster.id}#plan`} aria-label={`Plan a fix: ${title}`}>
      Plan a fix
    </Link>
  );
}

const JOB: Record<string, string> = {
  fixing: "Watch the fix",
  failed: "See what failed",
  pr_opened: "See the fix",
};
