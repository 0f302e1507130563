import { useQuery } from "@tanstack/react-query";
import { call, setProject } from "@/lib/http";
import type { Role, Session } from "./types";

const GRANTS: Record<string, readonly Role[]> = {
  ingest: ["ingest"],
  viewer: ["viewer"],
  triager: ["viewer", "triager", "ingest"],
  operator: ["viewer", "triager", "operator", "ingest"],
  admin: ["viewer", "triager", "operator", "ingest", "admin"],
};
const CHOSEN = "soulcaster.project";

export function useSession() {
  return useQuery({
    queryKey: ["session"],
    queryFn: async () => {
      const session = await call<Session>("GET", "/session");
      setProject(session.project_id ?? chosenProject() ?? session.default_project ?? "default");
      return session;
    },
    retry: false,
    staleTime: 60_000,
  });
}

/** Why the signed-in person may not do what needs `role`; undefined when they may. */
export function useMay(): (role: Role) => string | undefined {
  const held = useSession().data?.role ?? "viewer";
  return (role) =>
    GRANTS[held]?.includes(role) ? undefined : `This needs the role ${role}; you are signed in as ${held}.`;
}

/** The project named in the address wins, so that a link can be shared; else the one chosen last. */
function chosenProject(): string | null {
  const named = new URLSearchParams(window.location.search).get("project");
  if (named) localStorage.setItem(CHOSEN, named);
  return named ?? localStorage.getItem(CHOSEN);
}

export function chooseProject(id: string): void {
  localStorage.setItem(CHOSEN, id);
  setProject(id);
}
