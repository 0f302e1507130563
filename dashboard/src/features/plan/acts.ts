import { useMutation, useQueryClient, type UseMutationResult } from "@tanstack/react-query";
import type { Plan } from "@/api/types";
import { call } from "@/lib/http";

/** Make a plan and wait for it; the error says why the planner could not. */
export function useGenerate(cluster: string): UseMutationResult<Plan, Error, void> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => call<Plan>("POST", `/clusters/${cluster}/plan`, { body: {} }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["plan", cluster] }),
  });
}

export function useApprove(cluster: string): UseMutationResult<Plan, Error, number> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (version: number) => call<Plan>("POST", `/clusters/${cluster}/plan/approve`, { body: { version } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["plan", cluster] }),
  });
}

/** A new version. The tag of the version that was edited goes along: one that moved on meanwhile is not overwritten. */
export function useSavePlan(plan: Plan): UseMutationResult<Plan, Error, Record<string, unknown>> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (changes: Record<string, unknown>) =>
      call<Plan>("PATCH", `/clusters/${plan.cluster_id}/plan`, {
        body: changes,
        headers: { "If-Match": `"v${String(plan.version)}"` },
      }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["plan", plan.cluster_id] }),
  });
}

/** Ask the planner now whether files of this version have changed on their branch; the answer is noted in the plan. */
export function useCheck(plan: Plan): UseMutationResult<Plan, Error, void> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () =>
      call<Plan>("POST", `/clusters/${plan.cluster_id}/plan/check`, {
        body: {},
        headers: { "If-Match": `"v${String(plan.version)}"` },
      }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["plan", plan.cluster_id] }),
  });
}

/** Give a field that people wrote back to the planner, and let it write the plan again. */
export function useHandBack(plan: Plan): UseMutationResult<Plan, Error, string> {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (field: string) => {
      const edited_fields = plan.edited_fields.filter((one) => one !== field);
      await call<Plan>("PATCH", `/clusters/${plan.cluster_id}/plan`, {
        body: { edited_fields },
        headers: { "If-Match": `"v${String(plan.version)}"` },
      });
      return call<Plan>("POST", `/clusters/${plan.cluster_id}/plan`, { body: {} });
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["plan", plan.cluster_id] }),
  });
}
