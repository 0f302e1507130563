import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import * as queries from "@/api/queries";
import { useMay } from "@/api/session";
import type { Project } from "@/api/types";
import { Choice, Text } from "@/components/fields";
import { Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { Button } from "@/components/ui";
import { call } from "@/lib/http";
import { bodyOf, fieldsOf, type Fields } from "./project-fields";

/** The project's name, where its fixes go, who makes them, and what they may spend. */
export function ProjectForm({ project }: { readonly project: Project }) {
  const client = useQueryClient();
  const blocked = useMay()("admin");
  const runners = useQuery(queries.runners()).data ?? [];
  const [fields, setFields] = useState(() => fieldsOf(project));
  const save = useMutation({
    mutationFn: () => call("PATCH", `/projects/${project.id}`, { body: bodyOf(project, fields) }),
    onSuccess: () => {
      toast("Project saved");
      void client.invalidateQueries({ queryKey: ["projects"] });
    },
  });
  const set = (name: keyof Fields) => (value: string) => {
    setFields((old) => ({ ...old, [name]: value }));
  };
  const names = [...new Set([...runners.map((one) => one.runner), ...(fields.runner ? [fields.runner] : [])])];
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
      <Text label="Name" value={fields.name} set={set("name")} required maxLength={200} />
      <Text
        label="Repository of its fixes"
        value={fields.repo}
        set={set("repo")}
        placeholder="https://github.com/owner/name"
      >
        Used when neither the cluster nor its plan names one.
      </Text>
      <Choice
        label="Runner"
        value={fields.runner}
        set={set("runner")}
        none="the default one"
        options={names.map((one) => [one, one])}
      />
      <Choice
        label="Where the token may not write"
        value={fields.fork}
        set={set("fork")}
        none="as the runner is set"
        options={[
          ["auto", "push to a fork"],
          ["never", "never fork: the fix fails and says so"],
        ]}
      />
      <Text
        label="Fixes at once"
        value={fields.concurrency}
        set={set("concurrency")}
        type="number"
        min={1}
        max={1000}
        placeholder="the default"
      >
        More wait in the queue.
      </Text>
      <Text
        label="Answers to reviews"
        value={fields.followUps}
        set={set("followUps")}
        type="number"
        min={0}
        max={10}
        placeholder="never"
      >
        How often a review or a failing check of one pull request starts another commit on it.
      </Text>
      <div className="row budget">
        <Text
          label="Dollars a day"
          value={fields.usdDay}
          set={set("usdDay")}
          type="number"
          min={0}
          step="any"
          placeholder="no limit"
        />
        <Text
          label="Dollars a month"
          value={fields.usdMonth}
          set={set("usdMonth")}
          type="number"
          min={0}
          step="any"
          placeholder="no limit"
        />
      </div>
      <Refused error={save.error} />
      <div>
        <Button kind="primary" type="submit" busy={save.isPending} blocked={blocked}>
          Save
        </Button>
      </div>
    </form>
  );
}
