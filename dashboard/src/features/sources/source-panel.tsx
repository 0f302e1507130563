import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import * as queries from "@/api/queries";
import { useMay } from "@/api/session";
import type { FilterName } from "@/api/types";
import { Copyable } from "@/components/copy";
import { sourceName } from "@/components/icons";
import { Refused } from "@/components/states";
import { Badge, Panel } from "@/components/ui";
import { call, currentProject } from "@/lib/http";
import { plural } from "@/lib/plural";
import { FilterForm } from "./filter-form";
import { ManualForm } from "./manual-form";
import { Reading } from "./reading";
import { SecretForm } from "./secret-form";
import type { Vendor } from "./vendors";

interface Props {
  readonly vendor: Vendor;
  readonly count: number;
}

export function SourcePanel({ vendor, count }: Props) {
  const kept = useQuery({ ...queries.source(vendor.name), enabled: vendor.secret !== null });
  const subreddits = useQuery({ ...queries.subreddits(), enabled: vendor.name === "reddit" });
  const posts = subreddits.data ? { subreddits: subreddits.data } : undefined;
  const settings: Partial<Record<FilterName, string[] | null>> | undefined =
    vendor.name === "reddit" ? posts : kept.data;
  return (
    <Panel title={sourceName(vendor.name)} actions={<Switch name={vendor.name} />}>
      <div className="stack source-body">
        <p className="muted">{vendor.intro}</p>
        {vendor.hook ? <Hook path={vendor.hook} /> : null}
        <Waiting count={count} />
        <section>
          <h3>Steps</h3>
          <ol className="source-steps">
            {vendor.steps.map((step) => (
              <li key={step} className="wrap">
                {step}
              </li>
            ))}
          </ol>
        </section>
        {vendor.secret ? (
          <SecretForm
            name={vendor.name}
            label={vendor.secret.label}
            required={vendor.secret.required}
            state={kept.data?.secret}
          />
        ) : null}
        {settings
          ? vendor.filter.map((filter) => (
              <FilterForm
                key={filter.name}
                source={vendor.name}
                filter={filter}
                value={settings[filter.name] ?? null}
              />
            ))
          : null}
        <Reading name={vendor.name} />
        {vendor.name === "manual" ? <ManualForm /> : null}
        <Refused error={kept.error ?? subreddits.error} />
      </div>
    </Panel>
  );
}

const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];

function Hook({ path }: { readonly path: string }) {
  return (
    <section>
      <h3>Address</h3>
      <Copyable label="address" value={`${window.location.origin}${path}?project_id=${currentProject()}`} />
      {LOOPBACK.includes(window.location.hostname) ? (
        <p className="small muted">
          This address is reachable from this machine only. For a vendor in the internet put the gateway behind a public
          address or a tunnel, and open this page there.
        </p>
      ) : null}
    </section>
  );
}

/** Waits for the first event before one's eyes: the project's stream marks the numbers as old when a report comes. */
function Waiting({ count }: { readonly count: number }) {
  return (
    <p className="row source-waiting" role="status">
      {count > 0 ? (
        <Badge tone="good">✓ {plural(count, "report")} received</Badge>
      ) : (
        <>
          <span className="pulse" aria-hidden="true" /> Waiting for the first event…
        </>
      )}
    </p>
  );
}

function Switch({ name }: { readonly name: string }) {
  const client = useQueryClient();
  const blocked = useMay()("admin");
  const query = useQuery(queries.sourceEnabled(name));
  const change = useMutation({
    mutationFn: (enabled: boolean) => call("POST", `/config/${name}/enabled`, { body: { enabled } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["source", name] }),
  });
  return (
    <>
      <label className="row small" title={blocked}>
        <input
          type="checkbox"
          role="switch"
          checked={query.data ?? true}
          aria-disabled={Boolean(blocked) || undefined}
          onChange={(event) => {
            if (!blocked) change.mutate(event.target.checked);
          }}
        />
        Take reports in
      </label>
      <Refused error={change.error} />
    </>
  );
}
