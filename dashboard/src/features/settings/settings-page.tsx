import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import * as queries from "@/api/queries";
import { useMay, useSession } from "@/api/session";
import { Empty, Loaded } from "@/components/states";
import { Badge, Button, PageHead, Panel } from "@/components/ui";
import { call, currentProject } from "@/lib/http";
import { Keys } from "./keys";
import { People } from "./people";
import { ProjectForm } from "./project-form";
import { ThisBrowser } from "./this-browser";

export function SettingsPage() {
  const admin = useMay()("admin");
  useEffect(() => {
    document.title = "Settings · Soulcaster";
  }, []);
  return (
    <>
      <PageHead title="Settings" />
      <div className="columns">
        <div className="stack">
          <ProjectPanel />
          {admin ? (
            <Panel title="API keys and people" id="api-keys">
              <p className="muted">{admin}</p>
            </Panel>
          ) : (
            <>
              <Keys />
              <People />
            </>
          )}
        </div>
        <div className="stack">
          <ThisBrowser />
          <Runners />
          <Signed />
        </div>
      </div>
    </>
  );
}

function ProjectPanel() {
  const query = useQuery(queries.projects());
  return (
    <Panel title="Project" id="project">
      <Loaded query={query} what="the project" rows={2}>
        {(list) => {
          const project = list.find((one) => one.id === currentProject());
          return project ? <ProjectForm project={project} /> : <Empty title="The project is not there any more" />;
        }}
      </Loaded>
    </Panel>
  );
}

function Runners() {
  const query = useQuery(queries.runners());
  return (
    <Panel title="Runners" id="runners">
      <Loaded query={query} what="runners" rows={1}>
        {(list) =>
          list.length === 0 ? (
            <p className="muted">
              None is alive; fixes wait until one comes. On this machine: <code>soulcaster doctor</code>
            </p>
          ) : (
            <ul className="plain rows">
              {list.map((runner) => (
                <li key={runner.runner + runner.instance} className="stack-tight">
                  <span className="row">
                    <strong>{runner.runner}</strong>
                    <span className="small muted wrap">{runner.instance}</span>
                    <Badge tone={runner.busy ? "live" : "good"}>
                      {runner.busy} of {runner.slots} busy
                    </Badge>
                  </span>
                  <span className="row small">
                    {runner.capabilities.map((name) => (
                      <Badge key={name}>{name}</Badge>
                    ))}
                  </span>
                  {runner.problem ? <span className="small wrap">{runner.problem}</span> : null}
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Panel>
  );
}

function Signed() {
  const session = useSession().data;
  const out = (): void => {
    void call("DELETE", "/session").finally(() => {
      window.location.assign("/");
    });
  };
  return (
    <Panel title="Signed in" id="signed-in">
      <div className="stack-tight">
        <p>
          {session?.name} <Badge tone="accent">{session?.role}</Badge>{" "}
          <span className="small muted">
            {session?.project_id ? `project ${session.project_id} only` : "all projects"}
          </span>
        </p>
        <p className="small muted">
          viewer reads; triager sorts reports and makes plans; operator approves, starts and stops fixes; admin sets
          sources, keys and projects.
        </p>
        {session?.kind === "session" ? (
          <div>
            <Button onClick={out}>Sign out</Button>
          </div>
        ) : (
          <p className="small muted">This gateway is open to this machine: there is no session to end.</p>
        )}
      </div>
    </Panel>
  );
}
