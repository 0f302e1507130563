import { useQuery } from "@tanstack/react-query";
import { call, currentProject, setProject } from "@/lib/http";
import type { Role, Session } from "./types";

const CHOSEN = "soulcaster.project";
let named = new URLSearchParams(window.location.search).get("project");

export function useSession() {
  return useQuery({
    queryKey: ["session"],
    queryFn: async () => {
      if (!currentProject()) setProject(chosenProject() ?? "");
      let session = await call<Session>("GET", "/session");
      if (!session.role && currentProject()) {
        localStorage.removeItem(CHOSEN); // the project chosen last is gone, or closed to this person
        setProject("");
        session = await call<Session>("GET", "/session");
      }
      if (!currentProject()) setProject(session.project_id ?? session.default_project ?? "default");
      return session;
    },
    retry: false,
    staleTime: 60_000,
  });
}

/** Why the signed-in person may not do what needs `role`; undefined when they may. The gateway says what they may. */
export function useMay(): (role: Role) => string | undefined {
  const session = useSession().data;
  return (role) =>
    session?.may?.includes(role)
      ? undefined
      : `This needs the role ${role}; you are signed in as ${session?.role ?? "nobody"}.`;
}

/** The project named in the address wins, so that a link can be shared; else the one chosen last. */
function chosenProject(): string | null {
  if (named) localStorage.setItem(CHOSEN, named);
  named = null;
  return localStorage.getItem(CHOSEN);
}

export function chooseProject(id: string): void {
  localStorage.setItem(CHOSEN, id);
  setProject(id);
}
