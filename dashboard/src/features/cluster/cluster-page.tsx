import { useQuery } from "@tanstack/react-query";
import { useEffect, useState, type ReactNode } from "react";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import * as queries from "@/api/queries";
import { useMay } from "@/api/session";
import type { ClusterDetail } from "@/api/types";
import { SourceTiles } from "@/components/icons";
import { Loaded } from "@/components/states";
import { toast } from "@/components/toast";
import { ProposalChoice } from "@/components/triage/proposal";
import { useEdit } from "@/components/triage/acts";
import { TriageDialogs, type TriageAct } from "@/components/triage/dialogs";
import {
  Badge,
  Button,
  OutLink,
  PageHead,
  Panel,
  StatusBadge,
  Tabs,
  Time,
  TrustBadge,
  Untrusted,
} from "@/components/ui";
import { useKeys } from "@/lib/keys";
import { plural } from "@/lib/plural";
import { ClusterText } from "./cluster-text";
import { FixButton } from "./fix-button";
import { Fixes } from "./fixes";
import { History } from "./history";
import { NeighbourMap } from "./neighbour-map";
import { Reports } from "./reports";
import { Repository } from "./repository";
import { Timeline } from "./timeline";
import "./cluster.css";

interface Props {
  /** The plan belongs to another feature; the app puts it here. */
  readonly plan: (cluster: ClusterDetail) => ReactNode;
}

export function ClusterPage({ plan }: Props) {
  const { id = "" } = useParams();
  const query = useQuery(queries.cluster(id));
  return (
    <Loaded query={query} what="the cluster">
      {(cluster) => <ClusterView cluster={cluster} plan={plan} />}
    </Loaded>
  );
}

function ClusterView({ cluster, plan }: Props & { readonly cluster: ClusterDetail }) {
  const [params, setParams] = useSearchParams();
  useEffect(() => {
    document.title = `${cluster.title} · Soulcaster`;
  }, [cluster.title]);
  const tab = params.get("tab") ?? "reports";
  return (
    <div className="stack">
      <Head cluster={cluster} />
      <Notices cluster={cluster} />
      {cluster.proposals.length > 0 ? (
        <section className="panel proposals" aria-label="Proposed merges and splits">
          <h2>Grouped right?</h2>
          <ul className="plain stack">
            {cluster.proposals.map((proposal) => (
              <ProposalChoice key={proposal.id} proposal={proposal} here={cluster.id} />
            ))}
          </ul>
        </section>
      ) : null}
      <div className="cluster-grid">
        <Panel title="What is reported">
          <ClusterText cluster={cluster} />
          {cluster.timeline.length > 0 ? <Timeline days={cluster.timeline} /> : null}
        </Panel>
        <div className="stack cluster-side">
          {plan(cluster)}
          <Fixes id={cluster.id} />
          <Repository cluster={cluster} />
        </div>
        <Tabs
          label="Parts of the cluster"
          value={tab}
          onChange={(next) => {
            setParams(
              (old) => {
                old.set("tab", next);
                return old;
              },
              { replace: true, preventScrollReset: true },
            );
          }}
          tabs={[
            { value: "reports", label: `Reports (${String(cluster.count)})`, content: <Reports cluster={cluster} /> },
            { value: "near", label: "Near neighbours", content: <NeighbourMap cluster={cluster} /> },
            { value: "history", label: "History", content: <History id={cluster.id} /> },
          ]}
        />
      </div>
    </div>
  );
}

function Head({ cluster }: { readonly cluster: ClusterDetail }) {
  return (
    <PageHead
      trail={
        <>
          <Link to="/">Inbox</Link> / <code>{cluster.id}</code>
        </>
      }
      title={<Untrusted text={cluster.title} />}
      actions={<FixButton cluster={cluster} />}
    >
      <p className="row small">
        <StatusBadge status={cluster.status} />
        <TrustBadge trust={cluster.trust} />
        {cluster.regressed_at ? (
          <Badge tone="bad">
            ↻ Regressed <Time at={cluster.regressed_at} />
          </Badge>
        ) : null}
        <SourceTiles sources={cluster.sources} />
        <span className="muted">
          {plural(cluster.count, "report")}
          {cluster.users_affected ? ` · ${plural(cluster.users_affected, "user")}` : ""} · first{" "}
          <Time at={cluster.first_seen} /> · last <Time at={cluster.last_seen} />
        </span>
      </p>
      <Acts cluster={cluster} />
    </PageHead>
  );
}

function Acts({ cluster }: { readonly cluster: ClusterDetail }) {
  const [act, setAct] = useState<TriageAct | null>(null);
  const navigate = useNavigate();
  const edit = useEdit();
  const blocked = useMay()("triager");
  const ask = (what: TriageAct) => (): void => {
    if (blocked) toast(blocked);
    else setAct(what);
  };
  const become = (status: "new" | "resolved", done: string) => (): void => {
    if (blocked) toast(blocked);
    else if (!edit.isPending) edit.mutate({ cluster, change: { status }, done });
  };
  const closed = cluster.status === "dismissed" || cluster.status === "resolved";
  useKeys({
    merge: ask("merge"),
    ...(closed
      ? { reopen: become("new", "Opened again") }
      : { resolve: become("resolved", "Resolved"), dismiss: ask("dismiss"), snooze: ask("snooze") }),
  });
  return (
    <div className="row acts">
      {closed ? (
        <Button
          kind="quiet"
          blocked={blocked}
          busy={edit.isPending}
          shortcut="reopen"
          onClick={become("new", "Opened again")}
        >
          Open again
        </Button>
      ) : (
        <>
          <Button
            kind="quiet"
            blocked={blocked}
            busy={edit.isPending}
            shortcut="resolve"
            onClick={become("resolved", "Resolved")}
          >
            Resolve
          </Button>
          <Button kind="quiet" blocked={blocked} shortcut="dismiss" onClick={ask("dismiss")}>
            Dismiss
          </Button>
          <Button kind="quiet" blocked={blocked} shortcut="snooze" onClick={ask("snooze")}>
            Snooze
          </Button>
        </>
      )}
      <Button kind="quiet" blocked={blocked} shortcut="merge" onClick={ask("merge")}>
        Merge
      </Button>
      <TriageDialogs
        act={act}
        cluster={cluster}
        onClose={() => {
          setAct(null);
        }}
        onMerged={(into) => void navigate(`/c/${into}`)}
      />
    </div>
  );
}

function Notices({ cluster }: { readonly cluster: ClusterDetail }) {
  const asleep = cluster.snoozed_until !== null && cluster.count < cluster.snoozed_until;
  return (
    <>
      {cluster.github_pr_url ? (
        <p className="banner tone-good spread">
          <span>✓ A draft pull request is open.</span>
          <OutLink className="button button-primary" href={cluster.github_pr_url}>
            Review the draft pull request
          </OutLink>
        </p>
      ) : null}
      {cluster.status === "failed" && cluster.error_message ? (
        <p className="banner tone-bad spread">
          <span className="wrap">
            The last fix failed: <Untrusted text={cluster.error_message} />
          </span>
          {cluster.job_id ? (
            <Link className="button" to={`/r/${cluster.job_id}`}>
              See what failed
            </Link>
          ) : null}
        </p>
      ) : null}
      {cluster.merged_into ? (
        <p className="banner tone-warn">
          Merged into <Link to={`/c/${cluster.merged_into}`}>another cluster</Link>.
        </p>
      ) : null}
      {cluster.status === "dismissed" && cluster.dismissed_reason ? (
        <p className="banner tone-muted wrap">Dismissed: {cluster.dismissed_reason}</p>
      ) : null}
      {asleep ? (
        <p className="banner tone-muted">
          Snoozed until it has {plural(cluster.snoozed_until ?? 0, "report")}; it has {cluster.count} now.
        </p>
      ) : null}
    </>
  );
}
