import { useState } from "react";
import { Link } from "react-router";
import { Button } from "@/components/ui";

/** What to do while nothing has come in; the live stream replaces it when the first report arrives. */
export function FirstSteps() {
  const hook = `${window.location.origin}/ingest/sentry?project_id=default`;
  const [copied, setCopied] = useState(false);
  return (
    <div className="state">
      <p className="state-title">No reports yet</p>
      <ol className="stack">
        <li>Point a source here, for example Sentry: <code className="wrap">{hook}</code>{" "}
          <Button kind="quiet" onClick={() => { void navigator.clipboard.writeText(hook).then(() => { setCopied(true); }); }}>{copied ? "Copied" : "Copy"}</Button>
          <br /><span className="muted small">All sources, with exact vendor steps: <Link to="/sources">Sources</Link></span></li>
        <li>Or send one yourself: <code className="wrap">echo "Checkout fails for prices above 999" | soulcaster ingest -</code></li>
        <li className="row" role="status"><span className="pulse" aria-hidden="true" /> Waiting for the first report</li>
      </ol>
    </div>
  );
}
