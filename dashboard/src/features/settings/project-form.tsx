import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import * as queries from "@/api/queries";
import { useMay } from "@/api/session";
import type { Project } from "@/api/types";
import { Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { Button } from "@/components/ui";
import { call } from "@/lib/http";

/** The project's name, the repository of its fixes, which runner makes them, and how many at once. */
export function ProjectForm({ project }: { readonly project: Project }) {
  const client = useQueryClient();
  const blocked = useMay()("admin");
  const runners = useQuery(queries.runners()).data ?? [];
  const [name, setName] = useState(project.name);
  const [repo, setRepo] = useState(project.default_repo_url ?? "");
  const [runner, setRunner] = useState(project.runner ?? "");
  const [concurrency, setConcurrency] = useState(project.concurrency ? String(project.concurrency) : "");
  const save = useMutation({
    mutationFn: () =>
      call("PATCH", `/projects/${project.id}`, {
        body: {
          name,
          default_repo_url: repo || null,
          runner: runner || null,
          concurrency: concurrency ? Number(concurrency) : null,
        },
      }),
    onSuccess: () => {
      toast("Project saved");
      void client.invalidateQueries({ queryKey: ["projects"] });
    },
  });
  const names = [...new Set([...runners.map((one) => one.runner), ...(runner ? [runner] : [])])];
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <p className="small muted">
        Id <code>{project.id}</code>
      </p>
      <label className="field">
        Name
        <input
          value={name}
          required
          maxLength={200}
          onChange={(event) => {
            setName(event.target.value);
          }}
        />
      </label>
      <label className="field">
        Repository of its fixes
        <input
          value={repo}
          placeholder="https://github.com/owner/name"
          onChange={(event) => {
            setRepo(event.target.value);
          }}
        />
        <span className="small muted">Used when neither the cluster nor its plan names one.</span>
      </label>
      <label className="field">
        Runner
        <select
          value={runner}
          onChange={(event) => {
            setRunner(event.target.value);
          }}
        >
          <option value="">the default one</option>
          {names.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        Fixes at once
        <input
          type="number"
          min={1}
          max={1000}
          value={concurrency}
          placeholder="the default"
          onChange={(event) => {
            setConcurrency(event.target.value);
          }}
        />
        <span className="small muted">More wait in the queue; this bounds what the project can spend at a time.</span>
      </label>
      <Refused error={save.error} />
      <div>
        <Button kind="primary" type="submit" busy={save.isPending} blocked={blocked}>
          Save
        </Button>
      </div>
    </form>
  );
}
