import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { clusters } from "@/api/queries";
import type { Cluster } from "@/api/types";
import { Loaded, Refused } from "@/components/states";
import { Button, Dialog, Untrusted } from "@/components/ui";
import { plural } from "@/lib/plural";
import { useEdit, useMerge } from "./acts";

export type TriageAct = "dismiss" | "snooze" | "merge";

interface Props {
  readonly act: TriageAct | null;
  readonly cluster: Cluster | undefined;
  readonly onClose: () => void;
  /** Called with the cluster that now holds the reports. */
  readonly onMerged?: (id: string) => void;
}

/** What a person decides about a cluster: that it is nothing, that it can wait, that it is another one. */
export function TriageDialogs({ act, cluster, onClose, onMerged }: Props) {
  if (!cluster || !act) return null;
  if (act === "dismiss") return <Dismiss cluster={cluster} onClose={onClose} />;
  if (act === "snooze") return <Snooze cluster={cluster} onClose={onClose} />;
  return <MergeInto cluster={cluster} onClose={onClose} {...(onMerged ? { onMerged } : {})} />;
}

interface OneProps {
  readonly cluster: Cluster;
  readonly onClose: () => void;
}

/** The cluster that is decided about: opened by a key, the dialog may stand over another one. */
function Which({ cluster }: { readonly cluster: Cluster }) {
  return (
    <p className="which wrap">
      <Untrusted text={cluster.title} />
    </p>
  );
}

const REASONS = ["Works as intended", "Cannot be reproduced", "Not ours", "Spam"];

function Dismiss({ cluster, onClose }: OneProps) {
  const edit = useEdit();
  const [reason, setReason] = useState("");
  const submit = (): void => {
    const change = { status: "dismissed" as const, ...(reason ? { reason } : {}) };
    edit.mutate({ cluster, change, done: "Dismissed" }, { onSuccess: onClose });
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title="Dismiss this cluster?"
      description="It leaves the inbox; a new report that is worse brings it back as a regression."
    >
      <Which cluster={cluster} />
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <label className="field">
          Why
          <input
            list="dismiss-reasons"
            value={reason}
            maxLength={2000}
            onChange={(event) => {
              setReason(event.target.value);
            }}
          />
        </label>
        <datalist id="dismiss-reasons">
          {REASONS.map((text) => (
            <option key={text} value={text} />
          ))}
        </datalist>
        <Refused error={edit.error} />
        <div className="row">
          <Button kind="primary" type="submit" busy={edit.isPending}>
            Dismiss
          </Button>
          <Button onClick={onClose}>Keep it</Button>
        </div>
      </form>
    </Dialog>
  );
}

function Snooze({ cluster, onClose }: OneProps) {
  const edit = useEdit();
  const [more, setMore] = useState(5);
  const submit = (): void => {
    const change = { snooze_more: more };
    edit.mutate({ cluster, change, done: `Hidden until ${plural(more, "more report")}` }, { onSuccess: onClose });
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title="Snooze this cluster?"
      description={`It has ${plural(cluster.count, "report")} now. It comes back by itself when enough more came.`}
    >
      <Which cluster={cluster} />
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <label className="field">
          Come back after this many more reports
          <input
            type="number"
            min={1}
            max={1_000_000}
            value={more}
            onChange={(event) => {
              setMore(Number(event.target.value));
            }}
          />
        </label>
        <Refused error={edit.error} />
        <div className="row">
          <Button kind="primary" type="submit" busy={edit.isPending}>
            Snooze
          </Button>
          <Button onClick={onClose}>Leave it</Button>
        </div>
      </form>
    </Dialog>
  );
}

const SHOWN = 12;

function MergeInto({ cluster, onClose, onMerged }: OneProps & { readonly onMerged?: (id: string) => void }) {
  const query = useQuery(clusters());
  const merge = useMerge();
  const [find, setFind] = useState("");
  const words = find.toLowerCase().split(/\s+/);
  const matches = (other: Cluster): boolean =>
    other.id !== cluster.id &&
    !other.merged_into &&
    words.every((word) => `${other.title} ${other.summary}`.toLowerCase().includes(word));
  return (
    <Dialog open onClose={onClose} title="The same as which cluster?" description={cluster.title}>
      <label className="field">
        Find
        <input
          type="search"
          value={find}
          onChange={(event) => {
            setFind(event.target.value);
          }}
        />
      </label>
      <Refused error={merge.error} />
      <Loaded query={query} what="clusters" rows={3}>
        {(list) => {
          const shown = list.filter(matches).slice(0, SHOWN);
          if (!shown.length) return <p className="muted">No other cluster matches.</p>;
          return (
            <ul className="plain choices">
              {shown.map((other) => (
                <li key={other.id}>
                  <button
                    type="button"
                    className="choice"
                    onClick={() => {
                      const done = { onSuccess: () => (onClose(), onMerged?.(other.id)) };
                      merge.mutate({ into: other.id, others: [cluster.id] }, done);
                    }}
                  >
                    <span className="wrap">
                      <Untrusted text={other.title} />
                    </span>
                    <span className="small muted">{plural(other.count, "report")}</span>
                  </button>
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
      <div className="row">
        <Button onClick={onClose}>Cancel</Button>
      </div>
    </Dialog>
  );
}
