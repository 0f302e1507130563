import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { useMay } from "@/api/session";
import { TERMINAL, type Job } from "@/api/types";
import { SimilarWork } from "@/components/similar-work";
import { Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { Button, Dialog } from "@/components/ui";
import { call } from "@/lib/http";
import { useKeys } from "@/lib/keys";
import { Problem } from "@/lib/problem";
import { TryKey } from "@/lib/try-key";

type Act = "cancel" | "retry" | "approve";

const ASKED: Record<Exclude<Act, "retry">, { title: string; text: string; yes: string; no: string }> = {
  cancel: {
    title: "Cancel this job?",
    text: "The agent stops. What it had done so far stays downloadable; no pull request appears.",
    yes: "Cancel the job",
    no: "Let it go on",
  },
  approve: {
    title: "Release the held patch?",
    text: "The gate held it because it touches files that change how code is built, tested or run. It is checked again, then pushed as a draft pull request.",
    yes: "Release it",
    no: "Not now",
  },
};

export function JobActs({ job }: { readonly job: Job }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const blocked = useMay()("operator");
  const [tryKey] = useState(() => new TryKey());
  const [asking, setAsking] = useState<Exclude<Act, "retry"> | null>(null);
  const act = useMutation({
    mutationFn: ({ verb, force }: { verb: Act; force?: boolean }) =>
      call<{ job_id?: string }>("POST", `/jobs/${job.id}/${verb}`, {
        body: force ? { force } : {},
        headers: { "Idempotency-Key": tryKey.value },
      }),
    onError: tryKey.failed,
    onSuccess: (answer, { verb }) => {
      setAsking(null);
      void client.invalidateQueries({ queryKey: ["job", job.id] });
      void client.invalidateQueries({ queryKey: ["jobs"] });
      if (verb === "cancel") toast("Cancelling");
      if (answer.job_id && answer.job_id !== job.id) void navigate(`/r/${answer.job_id}`);
    },
  });
  const over = TERMINAL.includes(job.status);
  const ask = (what: Exclude<Act, "retry">) => (): void => {
    if (blocked) toast(blocked);
    else setAsking(what);
  };
  const again = (): void => {
    if (blocked) toast(blocked);
    else if (!act.isPending) act.mutate({ verb: "retry" });
  };
  const held = job.status === "needs_review";
  const failed = over && job.status !== "success";
  useKeys({
    cancel: over ? undefined : ask("cancel"),
    release: held ? ask("approve") : undefined,
    retry: failed ? again : undefined,
  });
  const similar = act.error instanceof Problem ? act.error.similar : [];
  const text = asking ? ASKED[asking] : null;
  return (
    <>
      {over ? null : (
        <Button kind="danger" blocked={blocked} shortcut="cancel" onClick={ask("cancel")}>
          Cancel
        </Button>
      )}
      {held ? (
        <Button kind="primary" blocked={blocked} shortcut="release" onClick={ask("approve")}>
          Release the held patch
        </Button>
      ) : null}
      {failed ? (
        <Button busy={act.isPending && !asking} blocked={blocked} shortcut="retry" onClick={again}>
          Retry
        </Button>
      ) : null}
      {text && asking ? (
        <Dialog
          open
          onClose={() => {
            setAsking(null);
          }}
          title={text.title}
          description={text.text}
        >
          <Refused error={act.error} />
          <div className="row">
            <Button
              kind={asking === "cancel" ? "danger" : "primary"}
              busy={act.isPending}
              onClick={() => {
                act.mutate({ verb: asking });
              }}
            >
              {text.yes}
            </Button>
            <Button
              onClick={() => {
                setAsking(null);
              }}
            >
              {text.no}
            </Button>
          </div>
        </Dialog>
      ) : similar.length ? (
        <SimilarWork
          similar={similar}
          here={job.cluster_id}
          busy={act.isPending}
          anyway={() => {
            act.mutate({ verb: "retry", force: true });
          }}
          leave={act.reset}
        />
      ) : (
        <Refused error={act.error} />
      )}
    </>
  );
}
