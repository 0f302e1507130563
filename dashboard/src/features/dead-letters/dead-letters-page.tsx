import { useMutation, useQuery, useQueryClient, type UseQueryResult } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import * as queries from "@/api/queries";
import { useMay } from "@/api/session";
import type { DeadLetter } from "@/api/types";
import { Empty, Loaded, Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { Badge, Button, Dialog, PageHead, Time, Untrusted } from "@/components/ui";
import { call } from "@/lib/http";
import { plural } from "@/lib/plural";

export function DeadLettersPage() {
  const closed = useMay()("operator");
  const query = useQuery({ ...queries.deadLetters(), enabled: !closed });
  useEffect(() => {
    document.title = "Dead letters · Soulcaster";
  }, []);
  return (
    <>
      <PageHead title="Dead letters">
        <p className="muted">
          Messages that no service could process, with the reason. Nothing is lost: send one back once its cause is
          mended.
        </p>
      </PageHead>
      {closed ? <Empty title={closed} /> : <Letters query={query} />}
    </>
  );
}

function Letters({ query }: { readonly query: UseQueryResult<DeadLetter[]> }) {
  return (
    <Loaded query={query} what="dead letters">
      {(list) =>
        list.length === 0 ? (
          <Empty title="Nothing is stuck">
            <p className="muted">
              Looked <Time at={new Date(query.dataUpdatedAt).toISOString()} />, again every 15 seconds.
            </p>
          </Empty>
        ) : (
          <ul className="plain stack">
            {list.map((letter) => (
              <Letter key={letter.id} letter={letter} />
            ))}
          </ul>
        )
      }
    </Loaded>
  );
}

function Letter({ letter }: { readonly letter: DeadLetter }) {
  const client = useQueryClient();
  const [dropping, setDropping] = useState(false);
  const done = (text: string) => () => {
    toast(text);
    void client.invalidateQueries({ queryKey: ["dead"] });
  };
  const retry = useMutation({
    mutationFn: () => call("POST", `/dead-letters/${letter.id}/retry`, { body: {} }),
    onSuccess: done("Sent back"),
  });
  const drop = useMutation({
    mutationFn: () => call("DELETE", `/dead-letters/${letter.id}`),
    onSuccess: done("Dropped"),
  });
  const close = (): void => {
    setDropping(false);
  };
  return (
    <li className="panel stack-tight">
      <div className="spread">
        <p className="row">
          <Badge tone="bad">✕ {letter.service}</Badge>
          <code className="wrap">{letter.subject}</code>
          <span className="muted small">
            <Time at={letter.at} />, tried {plural(letter.deliveries, "time")}
          </span>
        </p>
        <div className="row">
          <Button
            busy={retry.isPending}
            onClick={() => {
              retry.mutate();
            }}
          >
            Send back
          </Button>
          <Button
            kind="danger"
            onClick={() => {
              setDropping(true);
            }}
          >
            Drop
          </Button>
        </div>
      </div>
      <p className="wrap">
        <strong>
          <Untrusted text={letter.reason} />
        </strong>
      </p>
      <Refused error={retry.error} />
      <details>
        <summary className="small">The message</summary>
        <pre className="block small">
          <Untrusted text={letter.data} />
        </pre>
        {letter.data_cut ? <p className="small muted">Shortened.</p> : null}
      </details>
      <Dialog
        open={dropping}
        onClose={close}
        title="Drop this message for good?"
        description="It cannot be brought back."
      >
        <Refused error={drop.error} />
        <div className="row">
          <Button
            kind="danger"
            busy={drop.isPending}
            onClick={() => {
              drop.mutate();
            }}
          >
            Drop it
          </Button>
          <Button onClick={close}>Keep it</Button>
        </div>
      </Dialog>
    </li>
  );
}
