import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { ClusterDetail, Feedback } from "@/api/types";
import { Failed } from "@/components/states";
import { Badge, Button, Dialog, Panel, Time } from "@/components/ui";
import { call } from "@/lib/http";

/** The reports of a cluster, why each is here, and taking some out into a cluster of their own. */
export function Reports({ cluster }: { readonly cluster: ClusterDetail }) {
  const client = useQueryClient();
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [moving, setMoving] = useState<Feedback | null>(null);
  const refresh = async (): Promise<void> => { setChosen(new Set()); setMoving(null); await client.invalidateQueries(); };
  const split = useMutation({ mutationFn: () => call("POST", `/clusters/${cluster.id}/split`, { body: { feedback_ids: [...chosen] } }), onSuccess: refresh });
  const move = useMutation({ mutationFn: ({ id, to }: { id: string; to: string }) => call("POST", `/clusters/${cluster.id}/move`, { body: { feedback_id: id, to } }), onSuccess: refresh });
  const toggle = (id: string): void => { setChosen((old) => { const next = new Set(old); if (!next.delete(id)) next.add(id); return next; }); };
  const all = chosen.size === cluster.feedback_items.length;
  return (
    <Panel title={`Reports (${String(cluster.count)})`} actions={
      chosen.size > 0 ? <Button busy={split.isPending} blocked={all ? "At least one report has to stay." : undefined} onClick={() => { split.mutate(); }}>Split {chosen.size} off</Button> : null}>
      {split.error ? <Failed error={split.error} /> : null}
      <ul className="plain">
        {cluster.feedback_items.map((item) => (
          <li key={item.id} className="report">
            <div className="spread">
              <label className="row"><input type="checkbox" style={{ minHeight: 0 }} checked={chosen.has(item.id)} onChange={() => { toggle(item.id); }} /> <strong className="wrap">{item.title}</strong></label>
              <Button kind="quiet" onClick={() => { setMoving(item); }}>Belongs elsewhere</Button>
            </div>
            <p className="row small muted"><Badge>{item.source}</Badge> <Time at={item.created_at} />{item.pinned ? <Badge tone="accent">put here by a person</Badge> : null}{item.github_issue_url ? <a href={item.github_issue_url}>issue</a> : null}</p>
            {item.reasons.length ? <p className="small wrap">Here because: {item.reasons.slice(0, 3).map((r) => r.detail).join("; ")}</p> : null}
            {item.body ? <details><summary className="small">What it says</summary><pre className="small">{item.body}</pre></details> : null}
          </li>
        ))}
      </ul>
      <Dialog open={moving !== null} onClose={() => { setMoving(null); }} title="Where does this report belong?" description={moving?.title ?? ""}>
        {move.error ? <Failed error={move.error} /> : null}
        <div className="stack">
          {moving?.suggestions.map((s) => <Button key={s.cluster_id} onClick={() => { move.mutate({ id: moving.id, to: s.cluster_id }); }}>{s.title || s.cluster_id}</Button>)}
          <Button kind="primary" busy={move.isPending} onClick={() => { if (moving) move.mutate({ id: moving.id, to: "new" }); }}>A cluster of its own</Button>
          <Button onClick={() => { setMoving(null); }}>Leave it here</Button>
        </div>
      </Dialog>
    </Panel>
  );
}
