import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "@/api/session";
import { Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { Button } from "@/components/ui";
import { call } from "@/lib/http";
import type { Filter } from "./vendors";

interface Props {
  readonly source: string;
  readonly filter: Filter;
  readonly value: readonly string[] | null;
}

/** Which reports of a source are taken in, one entry a line. */
export function FilterForm({ source, filter, value }: Props) {
  const client = useQueryClient();
  const blocked = useMay()("admin");
  const [text, setText] = useState((value ?? []).join("\n"));
  const entries = text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  const save = useMutation({
    mutationFn: () => call("POST", filter.path, { body: { [filter.name]: entries } }),
    onSuccess: () => {
      toast(`${filter.label} saved`);
      void client.invalidateQueries({ queryKey: ["source", source] });
    },
  });
  return (
    <form
      className="stack-tight"
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <label className="field">
        <span className="label">
          {filter.label} <span className="small muted">({filter.hint})</span>
        </span>
        <textarea
          rows={2}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
          }}
        />
      </label>
      <Refused error={save.error} />
      <div className="row">
        <Button type="submit" busy={save.isPending} blocked={blocked}>
          Save
        </Button>
      </div>
    </form>
  );
}
