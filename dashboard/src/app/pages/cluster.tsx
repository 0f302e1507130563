import { ClusterPage } from "@/features/cluster/cluster-page";
import { PlanPanel } from "@/features/plan/plan-panel";

/** A cluster with its plan beside it. */
export function Page() {
  return <ClusterPage plan={(cluster) => <PlanPanel cluster={cluster} />} />;
}
