import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import * as queries from "@/api/queries";
import type { ApiKey, NewKey, Role } from "@/api/types";
import { Copyable } from "@/components/copy";
import { Text } from "@/components/fields";
import { Loaded, Refused } from "@/components/states";
import { toast } from "@/components/toast";
import { Badge, Button, Dialog, Panel, Time, Untrusted } from "@/components/ui";
import { call, currentProject } from "@/lib/http";
import { KEY_ROLES, RoleChoice } from "./role-choice";

/** API keys: made, shown once, revoked. */
export function Keys() {
  const query = useQuery(queries.keys());
  const [made, setMade] = useState<NewKey | null>(null);
  const [revoking, setRevoking] = useState<ApiKey | null>(null);
  return (
    <Panel title="API keys" id="api-keys">
      <div className="stack">
        <NewKeyForm onMade={setMade} />
        {made ? (
          <div className="banner tone-good stack-tight" role="status">
            <p>
              <strong>Copy it now.</strong> It is stored as a hash and never shown again.
            </p>
            <Copyable label="key" value={made.key} />
            <div>
              <Button
                onClick={() => {
                  setMade(null);
                }}
              >
                I have it
              </Button>
            </div>
          </div>
        ) : null}
        <Loaded query={query} what="keys" rows={2}>
          {(keys) =>
            keys.length === 0 ? (
              <p className="muted">
                None yet. The key in the link of <code>soulcaster up</code> is not in this list.
              </p>
            ) : (
              <KeyTable keys={keys} revoke={setRevoking} />
            )
          }
        </Loaded>
      </div>
      {revoking ? (
        <Revoke
          one={revoking}
          onClose={() => {
            setRevoking(null);
          }}
        />
      ) : null}
    </Panel>
  );
}

function NewKeyForm({ onMade }: { readonly onMade: (key: NewKey) => void }) {
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [everywhere, setEverywhere] = useState(false);
  const [days, setDays] = useState(90);
  const make = useMutation({
    mutationFn: () =>
      call<NewKey>("POST", "/keys", { body: { name, role, days, project_id: everywhere ? null : currentProject() } }),
    onSuccess: (key) => {
      setName("");
      onMade(key);
      void client.invalidateQueries({ queryKey: ["keys"] });
    },
  });
  return (
    <form
      className="stack-tight"
      onSubmit={(event) => {
        event.preventDefault();
        make.mutate();
      }}
    >
      <div className="row key-form">
        <Text label="Name" value={name} set={setName} required maxLength={200} placeholder="CI, phone, Sentry relay" />
        <RoleChoice label="Role" roles={KEY_ROLES} value={role} set={setRole} />
        <Text
          label="Days"
          value={String(days)}
          set={(value) => {
            setDays(Number(value));
          }}
          type="number"
          min={1}
          max={365}
        />
      </div>
      <label className="row small">
        <input
          type="checkbox"
          checked={everywhere}
          onChange={(event) => {
            setEverywhere(event.target.checked);
          }}
        />
        for every project, not only this one
      </label>
      <Refused error={make.error} />
      <div>
        <Button kind="primary" type="submit" busy={make.isPending}>
          Make a key
        </Button>
      </div>
    </form>
  );
}

function KeyTable({ keys, revoke }: { readonly keys: readonly ApiKey[]; readonly revoke: (key: ApiKey) => void }) {
  return (
    <div className="scroll-x" role="region" aria-label="Keys" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Role</th>
            <th scope="col">Project</th>
            <th scope="col">Ends</th>
            <th scope="col">
              <span className="visually-hidden">Revoke</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {keys.map((key) => (
            <tr key={key.id}>
              <td className="wrap">
                <Untrusted text={key.name} /> <code className="small muted">sc_{key.id}_…</code>
              </td>
              <td>{key.role}</td>
              <td>{key.project_id ?? "all"}</td>
              <td className="nowrap">
                <Time at={key.expires_at} />
              </td>
              <td>
                {key.revoked ? (
                  <Badge>revoked</Badge>
                ) : (
                  <Button
                    kind="danger"
                    aria-label={`Revoke ${key.name}`}
                    onClick={() => {
                      revoke(key);
                    }}
                  >
                    Revoke
                  </Button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Revoke({ one, onClose }: { readonly one: ApiKey; readonly onClose: () => void }) {
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => call("DELETE", `/keys/${one.id}`),
    onSuccess: () => {
      onClose();
      toast("Revoked; it opens nothing any more");
      void client.invalidateQueries({ queryKey: ["keys"] });
    },
  });
  return (
    <Dialog
      open
      onClose={onClose}
      title={`Revoke ${one.name}?`}
      description="What uses it stops working at once. It cannot be taken back."
    >
      <Refused error={revoke.error} />
      <div className="row">
        <Button
          kind="danger"
          busy={revoke.isPending}
          onClick={() => {
            revoke.mutate();
          }}
        >
          Revoke it
        </Button>
        <Button onClick={onClose}>Keep it</Button>
      </div>
    </Dialog>
  );
}
