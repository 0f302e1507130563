import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "@/api/session";
import { Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { Button } from "@/components/ui";
import { call } from "@/lib/http";

/** A report typed in by hand. */
export function ManualForm() {
  const client = useQueryClient();
  const blocked = useMay()("ingest");
  const [title, setTitle] = useState("");
  const [text, setText] = useState("");
  const send = useMutation({
    mutationFn: () => call("POST", "/ingest/manual", { body: { text, ...(title ? { title } : {}) } }),
    onSuccess: () => {
      setTitle("");
      setText("");
      toast("Report taken in; it shows up in the inbox in a moment");
      void client.invalidateQueries({ queryKey: ["stats"] });
    },
  });
  return (
    <form
      className="stack-tight"
      onSubmit={(event) => {
        event.preventDefault();
        send.mutate();
      }}
    >
      <h3>Send one now</h3>
      <label className="field">
        Title
        <input
          value={title}
          maxLength={500}
          onChange={(event) => {
            setTitle(event.target.value);
          }}
        />
      </label>
      <label className="field">
        What happened
        <textarea
          rows={4}
          required
          value={text}
          onChange={(event) => {
            setText(event.target.value);
          }}
        />
      </label>
      <Refused error={send.error} />
      <div className="row">
        <Button kind="primary" type="submit" busy={send.isPending} blocked={blocked}>
          Send
        </Button>
      </div>
    </form>
  );
}
