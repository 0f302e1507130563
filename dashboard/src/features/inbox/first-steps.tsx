import { Link } from "react-router";
import { Copyable } from "@/components/copy";
import { currentProject } from "@/lib/http";

/** What to do while nothing has come in; the live stream replaces it when the first report arrives. */
export function FirstSteps() {
  return (
    <div className="state first-steps">
      <p className="state-title">No reports yet</p>
      <ol className="stack">
        <li>
          Point a source here, for example Sentry:{" "}
          <Copyable
            label="Sentry address"
            value={`${window.location.origin}/ingest/sentry?project_id=${currentProject()}`}
          />
          <p className="muted small">
            All sources, with exact vendor steps: <Link to="/sources">Sources</Link>
          </p>
        </li>
        <li>
          Or send one yourself:{" "}
          <Copyable label="command" value={`echo "Checkout fails for prices above 999" | soulcaster ingest -`} />
        </li>
        <li>
          <span className="row" role="status">
            <span className="pulse" aria-hidden="true" /> Waiting for the first report
          </span>
        </li>
      </ol>
    </div>
  );
}
