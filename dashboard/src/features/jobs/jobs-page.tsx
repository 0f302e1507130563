import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { useSearchParams } from "react-router";
import * as queries from "@/api/queries";
import { useMay } from "@/api/session";
import { TERMINAL, type Job } from "@/api/types";
import { Empty, Loaded, Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { Button, Dialog, PageHead } from "@/components/ui";
import { call } from "@/lib/http";
import { plural } from "@/lib/plural";
import { JobsTable } from "./jobs-table";
import { WeekChart } from "./week-chart";
import { weeks } from "./weeks";

const STATUSES = ["pending", "running", "success", "needs_review", "failed", "cancelled"];

export function JobsPage() {
  const query = useQuery(queries.jobs());
  const [params, setParams] = useSearchParams();
  const status = params.get("status") ?? "";
  const runner = params.get("runner") ?? "";
  useEffect(() => {
    document.title = "Jobs · Soulcaster";
  }, []);
  const set = (name: string) => (value: string) => {
    setParams(
      (old) => {
        if (value) old.set(name, value);
        else old.delete(name);
        return old;
      },
      { replace: true },
    );
  };
  const runners = [...new Set((query.data ?? []).map((job) => job.runner).filter((name) => name !== null))];
  return (
    <div className="stack">
      <PageHead
        title="Jobs"
        actions={
          <>
            <Choice label="Status" value={status} options={STATUSES} set={set("status")} />
            {runners.length > 1 ? <Choice label="Runner" value={runner} options={runners} set={set("runner")} /> : null}
          </>
        }
      >
        <p className="muted">Every fix, newest first.</p>
      </PageHead>
      <Loaded query={query} what="jobs">
        {(list) => {
          if (list.length === 0) {
            return (
              <Empty title="No jobs yet">
                <p className="muted">Open a cluster and start its fix.</p>
              </Empty>
            );
          }
          const shown = list.filter((job) => (!status || job.status === status) && (!runner || job.runner === runner));
          return <Found list={list} shown={shown} />;
        }}
      </Loaded>
    </div>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly string[];
  readonly set: (value: string) => void;
}

function Choice({ label, value, options, set }: ChoiceProps) {
  return (
    <label className="row small">
      {label}
      <select
        value={value}
        onChange={(event) => {
          set(event.target.value);
        }}
      >
        <option value="">all</option>
        {options.map((option) => (
          <option key={option} value={option}>
            {option.replace("_", " ")}
          </option>
        ))}
      </select>
    </label>
  );
}

function Found({ list, shown }: { readonly list: readonly Job[]; readonly shown: readonly Job[] }) {
  const clusters = useQuery(queries.clusters()).data;
  const titles = useMemo(() => new Map((clusters ?? []).map((cluster) => [cluster.id, cluster.title])), [clusters]);
  const byWeek = useMemo(() => weeks(list), [list]);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  return (
    <>
      <WeekChart weeks={byWeek} />
      <Bulk
        jobs={shown.filter((job) => chosen.has(job.id))}
        clear={() => {
          setChosen(new Set());
        }}
      />
      {shown.length === 0 ? (
        <Empty title="No job matches the filters" />
      ) : (
        <JobsTable jobs={shown} titles={titles} chosen={chosen} choose={setChosen} />
      )}
    </>
  );
}

/** Cancel or retry several at once, after saying how many. */
function Bulk({ jobs, clear }: { readonly jobs: readonly Job[]; readonly clear: () => void }) {
  const client = useQueryClient();
  const blocked = useMay()("operator");
  const [asking, setAsking] = useState<"cancel" | "retry" | null>(null);
  const fit = {
    cancel: jobs.filter((job) => !TERMINAL.includes(job.status)),
    retry: jobs.filter((job) => ["failed", "cancelled", "needs_review"].includes(job.status)),
  };
  const act = useMutation({
    mutationFn: async (verb: "cancel" | "retry") => {
      const results = await Promise.allSettled(
        fit[verb].map((job) => call("POST", `/jobs/${job.id}/${verb}`, { body: {} })),
      );
      return results.filter((result) => result.status === "rejected").length;
    },
    onSuccess: (refused) => {
      setAsking(null);
      clear();
      toast(refused ? `${plural(refused, "job")} refused it` : "Done");
      void client.invalidateQueries({ queryKey: ["jobs"] });
    },
  });
  if (jobs.length === 0) return null;
  const close = (): void => {
    setAsking(null);
  };
  return (
    <div className="banner tone-accent spread" role="region" aria-label="Chosen jobs">
      <span>{plural(jobs.length, "job")} chosen</span>
      <span className="row">
        <Button
          blocked={blocked ?? (fit.cancel.length ? undefined : "None of them is running.")}
          onClick={() => {
            setAsking("cancel");
          }}
        >
          Cancel {fit.cancel.length || ""}
        </Button>
        <Button
          blocked={blocked ?? (fit.retry.length ? undefined : "None of them can be repeated.")}
          onClick={() => {
            setAsking("retry");
          }}
        >
          Retry {fit.retry.length || ""}
        </Button>
        <Button onClick={clear}>Clear</Button>
      </span>
      <Dialog
        open={asking !== null}
        onClose={close}
        title={`${asking === "cancel" ? "Cancel" : "Retry"} ${plural(asking ? fit[asking].length : 0, "job")}?`}
      >
        <Refused error={act.error} />
        <div className="row">
          <Button
            kind="primary"
            busy={act.isPending}
            onClick={() => {
              if (asking) act.mutate(asking);
            }}
          >
            Yes
          </Button>
          <Button onClick={close}>No</Button>
        </div>
      </Dialog>
    </div>
  );
}
