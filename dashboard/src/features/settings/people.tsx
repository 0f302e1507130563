import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import * as queries from "@/api/queries";
import { type Member, type Role } from "@/api/types";
import { Choice, Text } from "@/components/fields";
import { Loaded, Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { Badge, Button, Panel, Untrusted } from "@/components/ui";
import { call, currentProject } from "@/lib/http";
import { PEOPLE_ROLES, RoleChoice } from "./role-choice";

const KINDS = [
  ["user", "person"],
  ["org", "organisation"],
] as const;

/** Who may sign in with GitHub to this project, and as what. */
export function People() {
  const query = useQuery(queries.members(currentProject()));
  return (
    <Panel title="People" id="people">
      <Loaded query={query} what="people" rows={2}>
        {({ items, sign_in }) => (
          <div className="stack">
            {sign_in.includes("github") ? null : (
              <p className="small muted">
                GitHub sign-in is not set up on this gateway (GITHUB_OAUTH_CLIENT_ID); until then API keys are the only
                way in. Names can be listed already.
              </p>
            )}
            <NewMember />
            {items.length === 0 ? (
              <p className="muted">Nobody is listed yet.</p>
            ) : (
              <ul className="plain rows" aria-label="Listed people and organisations">
                {items.map((one) => (
                  <Line key={`${one.kind}/${one.name}/${one.from}`} one={one} />
                ))}
              </ul>
            )}
          </div>
        )}
      </Loaded>
    </Panel>
  );
}

function useChange(done: string) {
  const client = useQueryClient();
  return {
    onSuccess: () => {
      toast(done);
      void client.invalidateQueries({ queryKey: ["members"] });
    },
  };
}

function NewMember() {
  const [name, setName] = useState("");
  const [kind, setKind] = useState<Member["kind"]>("user");
  const [role, setRole] = useState<Role>("viewer");
  const changed = useChange(`${name} may sign in as ${role}`);
  const add = useMutation({
    mutationFn: () => call("POST", `/projects/${currentProject()}/access`, { body: { kind, name: name.trim(), role } }),
    onSuccess: () => {
      changed.onSuccess();
      setName("");
    },
  });
  return (
    <form
      className="stack-tight"
      onSubmit={(event) => {
        event.preventDefault();
        add.mutate();
      }}
    >
      <div className="row key-form">
        <Text
          label={`GitHub ${kind === "org" ? "organisation" : "login"}`}
          value={name}
          set={setName}
          required
          maxLength={39}
          autoComplete="off"
        />
        <Choice
          label="Kind"
          value={kind}
          set={(value) => {
            setKind(value as Member["kind"]);
          }}
          options={KINDS}
        />
        <RoleChoice label="May be" roles={PEOPLE_ROLES} value={role} set={setRole} />
      </div>
      <Refused error={add.error} />
      <div>
        <Button type="submit" busy={add.isPending}>
          Let in
        </Button>
      </div>
    </form>
  );
}

function Line({ one }: { readonly one: Member }) {
  const changed = useChange(`${one.name} is off the list`);
  const drop = useMutation({
    mutationFn: () =>
      call("DELETE", `/projects/${currentProject()}/access/${one.kind}/${encodeURIComponent(one.name)}`),
    ...changed,
  });
  const wide = one.from === "installation" ? "Listed for the whole installation, in GITHUB_ALLOWED_LOGINS." : undefined;
  return (
    <li className="spread">
      <span className="row">
        <strong>
          <Untrusted text={one.name} />
        </strong>
        {one.kind === "org" ? <Badge>organisation</Badge> : null}
        <Badge tone="accent">{one.role}</Badge>
      </span>
      <Button
        kind="danger"
        aria-label={`Take ${one.name} off the list`}
        blocked={wide}
        busy={drop.isPending}
        onClick={() => {
          drop.mutate();
        }}
      >
        Remove
      </Button>
      <Refused error={drop.error} />
    </li>
  );
}
