import { Link } from "react-router";
import { PALETTE_KEY } from "./palette";
import { Empty } from "@/components/states";

export function NotFound() {
  return (
    <Empty title="There is no such page">
      <p className="muted">
        The address may be mistyped. <kbd>{PALETTE_KEY}</kbd> finds any page, cluster or job.
      </p>
      <p>
        <Link to="/">Back to the inbox</Link>
      </p>
    </Empty>
  );
}
