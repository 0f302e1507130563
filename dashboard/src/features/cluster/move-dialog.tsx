import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { clusters } from "@/api/queries";
import type { ClustersChanged, Feedback } from "@/api/types";
import { Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { useUndo } from "@/components/triage/acts";
import { Button, Dialog, Untrusted } from "@/components/ui";
import { call } from "@/lib/http";

interface Props {
  readonly item: Feedback | null;
  readonly from: string;
  readonly onClose: () => void;
}

/** Where a report belongs: the nearest clusters first, any other by its words, or one of its own. */
export function MoveDialog({ item, from, onClose }: Props) {
  const client = useQueryClient();
  const undo = useUndo();
  const [find, setFind] = useState("");
  const known = useQuery({ ...clusters(), enabled: item !== null });
  const move = useMutation({
    mutationFn: (to: string) =>
      call<ClustersChanged>("POST", `/clusters/${from}/move`, { body: { feedback_id: item?.id, to } }),
    onSuccess: (answer) => {
      onClose();
      void client.invalidateQueries();
      toast("Moved", () => {
        undo.mutate({ id: from, entry: answer.entry?.id });
      });
    },
  });
  const words = find.toLowerCase().split(/\s+/);
  const near = (item?.suggestions ?? []).map((one) => ({ id: one.cluster_id, title: one.title || one.cluster_id }));
  const found = find
    ? (known.data ?? []).filter(
        (one) => one.id !== from && words.every((word) => one.title.toLowerCase().includes(word)),
      )
    : near;
  return (
    <Dialog
      open={item !== null}
      onClose={onClose}
      title="Where does this report belong?"
      description={item?.title ?? ""}
    >
      <Refused error={move.error} />
      <label className="field">
        Find a cluster
        <input
          type="search"
          value={find}
          onChange={(event) => {
            setFind(event.target.value);
          }}
        />
      </label>
      <ul className="plain choices">
        {found.slice(0, 10).map((one) => (
          <li key={one.id}>
            <button
              type="button"
              className="choice"
              onClick={() => {
                move.mutate(one.id);
              }}
            >
              <span className="wrap">
                <Untrusted text={one.title} />
              </span>
            </button>
          </li>
        ))}
      </ul>
      <div className="row">
        <Button
          kind="primary"
          busy={move.isPending}
          onClick={() => {
            move.mutate("new");
          }}
        >
          A cluster of its own
        </Button>
        <Button onClick={onClose}>Leave it here</Button>
      </div>
    </Dialog>
  );
}
