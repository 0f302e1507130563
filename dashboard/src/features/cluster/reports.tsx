import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { useLocation } from "react-router";
import { useMay } from "@/api/session";
import type { ClusterDetail, ClustersChanged, Feedback } from "@/api/types";
import { Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { useUndo } from "@/components/triage/acts";
import { Button } from "@/components/ui";
import { call } from "@/lib/http";
import { useKeys } from "@/lib/keys";
import { plural } from "@/lib/plural";
import { MoveDialog } from "./move-dialog";
import { ReportCard } from "./report-card";

/** The reports of a cluster, why each is here, and taking some out into a cluster of their own. */
export function Reports({ cluster }: { readonly cluster: ClusterDetail }) {
  const may = useMay()("triager");
  const { hash } = useLocation();
  const box = useRef<HTMLUListElement>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [moving, setMoving] = useState<Feedback | null>(null);
  const [at, setAt] = useState(() => cluster.feedback_items.findIndex((item) => `#${item.id}` === hash));
  const linked = useRef(at);
  useEffect(() => {
    if (linked.current >= 0) box.current?.children[linked.current]?.scrollIntoView({ block: "center" });
  }, []);
  const split = useSplit(cluster.id, () => {
    setChosen(new Set());
  });
  const items = cluster.feedback_items;
  const titles = useMemo(() => new Map(items.map((item) => [item.id, item.title])), [items]);
  const toggle = (id: string): void => {
    setChosen((old) => {
      const next = new Set(old);
      if (!next.delete(id)) next.add(id);
      return next;
    });
  };
  const go = (to: number): void => {
    const next = Math.max(0, Math.min(to, items.length - 1));
    setAt(next);
    box.current?.querySelectorAll<HTMLInputElement>("input[type=checkbox]")[next]?.focus();
  };
  useKeys({
    next: () => {
      go(at + 1);
    },
    previous: () => {
      go(at - 1);
    },
  });
  const all = chosen.size === cluster.count ? "At least one report has to stay." : undefined;
  return (
    <>
      {chosen.size > 0 ? (
        <div className="banner tone-accent spread" role="region" aria-label="Chosen reports">
          <span>{plural(chosen.size, "report")} chosen</span>
          <span className="row">
            <Button
              kind="primary"
              busy={split.isPending}
              blocked={may ?? all}
              onClick={() => {
                split.mutate([...chosen]);
              }}
            >
              Split off into a cluster of their own
            </Button>
            <Button
              onClick={() => {
                setChosen(new Set());
              }}
            >
              Clear
            </Button>
          </span>
        </div>
      ) : null}
      <Refused error={split.error} />
      <ul className="plain reports" ref={box}>
        {items.map((item, index) => (
          <ReportCard
            key={item.id}
            item={item}
            titles={titles}
            here={index === at}
            chosen={chosen.has(item.id)}
            blocked={may}
            onChoose={() => {
              toggle(item.id);
            }}
            onMove={() => {
              setMoving(item);
            }}
          />
        ))}
      </ul>
      {cluster.next_cursor ? (
        <p className="small muted">
          The newest {items.length} of {cluster.count} reports.
        </p>
      ) : null}
      <MoveDialog
        key={moving?.id ?? ""}
        item={moving}
        from={cluster.id}
        onClose={() => {
          setMoving(null);
        }}
      />
    </>
  );
}

function useSplit(id: string, done: () => void) {
  const client = useQueryClient();
  const undo = useUndo();
  return useMutation({
    mutationFn: (ids: string[]) =>
      call<ClustersChanged>("POST", `/clusters/${id}/split`, { body: { feedback_ids: ids } }),
    onSuccess: (answer) => {
      done();
      void client.invalidateQueries();
      toast("Split off", () => {
        undo.mutate({ id, entry: answer.entry?.id });
      });
    },
  });
}
