import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "@/api/session";
import type { SourceSettings } from "@/api/types";
import { Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { Badge, Button } from "@/components/ui";
import { call } from "@/lib/http";

interface Props {
  readonly name: string;
  readonly label: string;
  readonly required: boolean;
  readonly state: SourceSettings["secret"] | undefined;
}

/** A secret goes in and never comes out; the one before stays valid until the next, so that a rotation loses nothing. */
export function SecretForm({ name, label, required, state }: Props) {
  const client = useQueryClient();
  const blocked = useMay()("admin");
  const [secret, setSecret] = useState("");
  const done = (text: string) => () => {
    setSecret("");
    toast(text);
    void client.invalidateQueries({ queryKey: ["source", name] });
  };
  const save = useMutation({
    mutationFn: () => call("POST", `/config/${name}/secret`, { body: { secret } }),
    onSuccess: done("Secret stored"),
  });
  const drop = useMutation({
    mutationFn: () => call("DELETE", `/config/${name}/secret`),
    onSuccess: done("Secrets forgotten"),
  });
  return (
    <form
      className="stack-tight"
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <h3>{label}</h3>
      <p className="row small">
        {state?.set ? (
          <>
            <Badge tone="good">✓ set{state.last4 ? `, ends in ${state.last4}` : ""}</Badge>
            {state.count > 1 ? <Badge tone="accent">the one before is still accepted</Badge> : null}
          </>
        ) : (
          <Badge tone={required ? "bad" : "warn"}>
            {required ? "! not set: nothing is accepted" : "! not set: anyone who knows the address can send"}
          </Badge>
        )}
      </p>
      <div className="row">
        <input
          type="password"
          autoComplete="off"
          minLength={8}
          required
          aria-label={`New ${label}`}
          placeholder="at least 8 characters"
          value={secret}
          onChange={(event) => {
            setSecret(event.target.value);
          }}
        />
        <Button type="submit" kind="primary" busy={save.isPending} blocked={blocked}>
          {state?.set ? "Rotate" : "Set"}
        </Button>
        {state?.set ? (
          <Button
            kind="danger"
            busy={drop.isPending}
            blocked={blocked}
            onClick={() => {
              drop.mutate();
            }}
          >
            Forget
          </Button>
        ) : null}
      </div>
      <Refused error={save.error ?? drop.error} />
    </form>
  );
}
