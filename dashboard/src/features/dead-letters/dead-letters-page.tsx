import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import * as queries from "@/api/queries";
import type { DeadLetter } from "@/api/types";
import { Empty, Failed, Loaded } from "@/components/states";
import { Badge, Button, Dialog, Time } from "@/components/ui";
import { call } from "@/lib/http";

export function DeadLettersPage() {
  const query = useQuery(queries.deadLetters());
  useEffect(() => { document.title = "Dead letters · Soulcaster"; }, []);
  return (
    <>
      <header className="page-head"><div><h1>Dead letters</h1><p className="muted">Messages that no service could process, with the reason. Nothing is lost: send one back once its cause is mended.</p></div></header>
      <Loaded query={query} what="dead letters">
        {(list) => list.length === 0 ? <Empty title="Nothing is stuck" /> : <ul className="plain stack">{list.map((letter) => <Letter key={letter.id} letter={letter} />)}</ul>}
      </Loaded>
    </>
  );
}

function Letter({ letter }: { readonly letter: DeadLetter }) {
  const client = useQueryClient();
  const [dropping, setDropping] = useState(false);
  const refresh = () => client.invalidateQueries({ queryKey: ["dead"] });
  const retry = useMutation({ mutationFn: () => call("POST", `/dead-letters/${letter.id}/retry`, { body: {} }), onSuccess: refresh });
  const drop = useMutation({ mutationFn: () => call("DELETE", `/dead-letters/${letter.id}`), onSuccess: refresh });
  return (
    <li className="panel stack">
      <div className="spread"><p className="row"><Badge tone="bad">{letter.service}</Badge><code className="wrap">{letter.subject}</code><span className="muted small"><Time at={letter.at} />, tried {letter.deliveries} times</span></p>
        <div className="row"><Button busy={retry.isPending} onClick={() => { retry.mutate(); }}>Send back</Button><Button kind="danger" onClick={() => { setDropping(true); }}>Drop</Button></div></div>
      <p className="wrap"><strong>{letter.reason}</strong></p>
      {retry.error ? <Failed error={retry.error} /> : null}
      <details><summary className="small">The message</summary><pre className="small wrap" style={{ whiteSpace: "pre-wrap" }}>{letter.data}</pre></details>
      <Dialog open={dropping} onClose={() => { setDropping(false); }} title="Drop this message for good?" description="It cannot be brought back.">
        {drop.error ? <Failed error={drop.error} /> : null}
        <div className="row"><Button kind="danger" busy={drop.isPending} onClick={() => { drop.mutate(); }}>Drop it</Button><Button onClick={() => { setDropping(false); }}>Keep it</Button></div>
      </Dialog>
    </li>
  );
}
