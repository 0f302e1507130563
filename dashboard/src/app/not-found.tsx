import { Link } from "react-router";
import { Empty } from "@/components/states";

export function NotFound() {
  return (
    <Empty title="There is no such page">
      <p>
        <Link to="/">Back to the inbox</Link>
      </p>
    </Empty>
  );
}
