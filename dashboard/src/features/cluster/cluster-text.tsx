import { useState } from "react";
import { useMay } from "@/api/session";
import type { ClusterDetail } from "@/api/types";
import { Refused } from "@/components/states";
import { useEdit } from "@/components/triage/acts";
import { Badge, Button, Untrusted } from "@/components/ui";

/** Title and summary; a person's words are kept against later automatic updates. */
export function ClusterText({ cluster }: { readonly cluster: ClusterDetail }) {
  const [editing, setEditing] = useState(false);
  const blocked = useMay()("triager");
  if (editing) {
    return (
      <TextForm
        cluster={cluster}
        close={() => {
          setEditing(false);
        }}
      />
    );
  }
  return (
    <div className="stack-tight">
      <p className="wrap summary">
        <Untrusted text={cluster.summary || "No summary yet."} />
      </p>
      <div className="row">
        <Button
          kind="quiet"
          blocked={blocked}
          onClick={() => {
            setEditing(true);
          }}
        >
          Edit title and summary
        </Button>
        {cluster.edited_fields.length ? <Badge tone="accent">edited: {cluster.edited_fields.join(", ")}</Badge> : null}
      </div>
      <p className="small muted wrap">{wordedBy(cluster)}</p>
    </div>
  );
}

/** Whose words title and summary are, so that nobody takes a model's for the users'. */
function wordedBy(cluster: ClusterDetail): string {
  const people = new Set(cluster.edited_fields);
  if (people.has("title") && people.has("summary")) return "Title and summary: a person’s words.";
  const rest = people.has("title") ? "Summary" : people.has("summary") ? "Title" : "Title and summary";
  return cluster.worded_by
    ? `${rest} worded by the model ${cluster.worded_by}; what users wrote stands in the reports.`
    : `${rest} put together from the reports themselves, without a model.`;
}

function TextForm({ cluster, close }: { readonly cluster: ClusterDetail; readonly close: () => void }) {
  const edit = useEdit();
  const [title, setTitle] = useState(cluster.title);
  const [summary, setSummary] = useState(cluster.summary);
  const submit = (): void => {
    const change = {
      ...(title === cluster.title ? {} : { title }),
      ...(summary === cluster.summary ? {} : { summary }),
    };
    if (Object.keys(change).length === 0) close();
    else edit.mutate({ cluster, change, done: "Saved" }, { onSuccess: close });
  };
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <label className="field">
        Title
        <input
          value={title}
          required
          onChange={(event) => {
            setTitle(event.target.value);
          }}
        />
      </label>
      <label className="field">
        Summary
        <textarea
          rows={5}
          value={summary}
          onChange={(event) => {
            setSummary(event.target.value);
          }}
        />
      </label>
      <Refused error={edit.error} />
      <div className="row">
        <Button kind="primary" type="submit" busy={edit.isPending}>
          Save
        </Button>
        <Button onClick={close}>Cancel</Button>
      </div>
    </form>
  );
}
