import { useState } from "react";
import { useMay } from "@/api/session";
import type { ClusterDetail } from "@/api/types";
import { Refused } from "@/components/states";
import { useEdit } from "@/components/triage/acts";
import { Button, Panel } from "@/components/ui";

/** Where the fix goes. Empty means the project's own repository. */
export function Repository({ cluster }: { readonly cluster: ClusterDetail }) {
  const edit = useEdit();
  const blocked = useMay()("triager");
  const [value, setValue] = useState(cluster.github_repo_url ?? cluster.suggested_repo_url ?? "");
  const suggested = !cluster.github_repo_url && cluster.suggested_repo_url;
  return (
    <Panel title="Repository">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          edit.mutate({ cluster, change: { github_repo_url: value }, done: "Repository saved" });
        }}
      >
        <label className="field">
          URL or path
          <input
            value={value}
            placeholder="the project's own; see Settings"
            onChange={(event) => {
              setValue(event.target.value);
            }}
          />
          {suggested ? <span className="small muted">Suggested by the reports; save to confirm.</span> : null}
        </label>
        <Refused error={edit.error} />
        <div className="row">
          <Button
            type="submit"
            busy={edit.isPending}
            blocked={blocked ?? (value ? undefined : "Enter a repository first.")}
          >
            Save
          </Button>
        </div>
      </form>
    </Panel>
  );
}
