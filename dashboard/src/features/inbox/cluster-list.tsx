import { startTransition, useCallback, useEffect, useRef, useState } from "react";
import { useNavigate } from "react-router";
import { useMay } from "@/api/session";
import type { Cluster } from "@/api/types";
import { Refused } from "@/components/states";
import { useMerge } from "@/components/triage/acts";
import { TriageDialogs, type TriageAct } from "@/components/triage/dialogs";
import { toast } from "@/components/toast";
import { Button, KeyHint } from "@/components/ui";
import type { ActionId } from "@/lib/keymap";
import { useKeys } from "@/lib/keys";
import { ClusterRow } from "./cluster-row";

const PAGE = 30;

/** The ranked clusters, for the mouse and for single keys. Rows beyond the first come as they are scrolled to. */
export function ClusterList({ clusters }: { readonly clusters: readonly Cluster[] }) {
  const navigate = useNavigate();
  const may = useMay();
  const box = useRef<HTMLUListElement>(null);
  const [limit, setLimit] = useState(PAGE);
  const [at, setAt] = useState(0);
  const [act, setAct] = useState<TriageAct | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const current = clusters[Math.min(at, clusters.length - 1)];
  const go = (to: number): void => {
    const next = Math.max(0, Math.min(to, clusters.length - 1));
    if (next >= limit) setLimit(next + PAGE);
    setAt(next);
    const focus = (): boolean => {
      const link = box.current?.querySelectorAll<HTMLAnchorElement>("a.cluster-title")[next];
      link?.focus();
      return link !== undefined;
    };
    if (!focus()) requestAnimationFrame(focus); // only a row that is not drawn yet is waited for
  };
  const open = (hash = ""): void => {
    if (current) void navigate(`/c/${current.id}${hash}`);
  };
  const toggle = useCallback((id: string): void => {
    setChosen((old) => {
      const next = new Set(old);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  }, []);
  const start = useCallback((index: number, what: TriageAct): void => {
    setAt(index);
    setAct(what);
  }, []);
  const more = useCallback(() => {
    startTransition(() => {
      setLimit((old) => old + PAGE);
    });
  }, []);
  const ask = (what: TriageAct) => () => {
    const blocked = may("triager");
    if (blocked) toast(blocked);
    else setAct(what);
  };
  useKeys({
    next: () => {
      go(box.current?.contains(document.activeElement) ? at + 1 : at);
    },
    previous: () => {
      go(at - 1);
    },
    open: () => {
      open();
    },
    plan: () => {
      open("#plan");
    },
    dismiss: ask("dismiss"),
    snooze: ask("snooze"),
    merge: ask("merge"),
    choose: () => {
      if (current) toggle(current.id);
    },
    search: () => {
      document.getElementById("inbox-search")?.focus();
    },
  });
  return (
    <>
      <MergeChosen
        chosen={clusters.filter((cluster) => chosen.has(cluster.id))}
        clear={() => {
          setChosen(new Set());
        }}
      />
      <ul className="clusters" ref={box}>
        {clusters.slice(0, limit).map((cluster, index) => (
          <ClusterRow
            key={cluster.id}
            cluster={cluster}
            here={index === at}
            chosen={chosen.has(cluster.id)}
            index={index}
            onHere={setAt}
            onChoose={toggle}
            onAct={start}
          />
        ))}
      </ul>
      {clusters.length > limit ? <More key={limit} rest={clusters.length - limit} show={more} /> : null}
      <KeysHint />
      <TriageDialogs
        act={act}
        cluster={current}
        onClose={() => {
          setAct(null);
        }}
      />
    </>
  );
}

const HINTS: readonly [ActionId, string][] = [
  ["next", "next"],
  ["previous", "previous"],
  ["open", "open"],
  ["plan", "plan"],
  ["dismiss", "dismiss"],
  ["snooze", "snooze"],
  ["merge", "merge"],
  ["keys", "all keys"],
];

function KeysHint() {
  return (
    <p className="row small muted keys-hint">
      {HINTS.map(([id, what]) => (
        <KeyHint key={id} id={id} what={what} />
      ))}
    </p>
  );
}

function MergeChosen({ chosen, clear }: { readonly chosen: readonly Cluster[]; readonly clear: () => void }) {
  const merge = useMerge();
  const may = useMay();
  if (chosen.length === 0) return null;
  const [into, ...others] = [...chosen].sort((a, b) => b.count - a.count);
  const submit = (): void => {
    if (into) merge.mutate({ into: into.id, others: others.map((other) => other.id) }, { onSuccess: clear });
  };
  const blocked = chosen.length < 2 ? "Choose at least two clusters." : may("triager");
  return (
    <div className="banner tone-accent spread" role="region" aria-label="Chosen clusters">
      <span>{chosen.length} chosen</span>
      <span className="row">
        <Button kind="primary" busy={merge.isPending} blocked={blocked} onClick={submit}>
          Merge into one
        </Button>
        <Button onClick={clear}>Clear</Button>
      </span>
      <Refused error={merge.error} />
    </div>
  );
}

/** Shows more when it comes into view; a button for those who do not scroll. */
function More({ rest, show }: { readonly rest: number; readonly show: () => void }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const watch = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) show();
      },
      { rootMargin: "1500px" },
    );
    watch.observe(element);
    return () => {
      watch.disconnect();
    };
  }, [show]);
  return (
    <div ref={box}>
      <Button onClick={show}>Show more of {rest}</Button>
    </div>
  );
}
