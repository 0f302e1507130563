import { useMutation, useQueryClient, type UseMutationResult } from "@tanstack/react-query";
import type { Cluster, ClustersChanged } from "@/api/types";
import { toast } from "@/components/toast";
import { call } from "@/lib/http";
import { message } from "@/lib/problem";

export type ClusterChange = Partial<Pick<Cluster, "title" | "summary" | "github_repo_url">> & {
  status?: "new" | "resolved" | "dismissed";
  reason?: string;
  snooze_more?: number;
};

/** Change a cluster by hand; `done` is said afterwards, with a way back. */
export function useEdit(): UseMutationResult<
  Cluster,
  Error,
  { cluster: Cluster; change: ClusterChange; done: string }
> {
  const client = useQueryClient();
  const undo = useUndo();
  return useMutation({
    mutationFn: ({ cluster, change }: { cluster: Cluster; change: ClusterChange; done: string }) =>
      call<Cluster>("PATCH", `/clusters/${cluster.id}`, { body: change }),
    onSuccess: (_, { cluster, done }) => {
      void client.invalidateQueries();
      toast(done, () => {
        undo.mutate({ id: cluster.id });
      });
    },
  });
}

/** Take back the newest manual change of a cluster, or the one named. */
export function useUndo(): UseMutationResult<ClustersChanged, Error, { id: string; entry?: string | undefined }> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, entry }: { id: string; entry?: string | undefined }) =>
      call<ClustersChanged>("POST", `/clusters/${id}/undo`, { body: entry ? { entry_id: entry } : {} }),
    onSuccess: () => {
      void client.invalidateQueries();
      toast("Taken back");
    },
    onError: (error) => {
      toast(`Not taken back: ${message(error)}`);
    },
  });
}

/** Take clusters into `into`; remembered by the clustering, reversible. */
export function useMerge(): UseMutationResult<ClustersChanged, Error, { into: string; others: readonly string[] }> {
  const client = useQueryClient();
  const undo = useUndo();
  return useMutation({
    mutationFn: ({ into, others }: { into: string; others: readonly string[] }) =>
      call<ClustersChanged>("POST", `/clusters/${into}/merge`, { body: { cluster_ids: others } }),
    onSuccess: (answer, { into }) => {
      void client.invalidateQueries();
      toast("Merged", () => {
        undo.mutate({ id: into, entry: answer.entry?.id });
      });
    },
  });
}
