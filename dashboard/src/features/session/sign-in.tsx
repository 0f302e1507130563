import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState, type ReactNode } from "react";
import { Failed, Loading, message } from "@/components/states";
import { Button } from "@/components/ui";
import { call } from "@/lib/http";
import { Problem } from "@/lib/problem";

interface Session { readonly name?: string; readonly role?: string; readonly projects?: string[] }

/** The key of the link that `soulcaster up` prints; taken out of the address at once so that it is not bookmarked. */
function keyFromLink(): string | null {
  const found = new URLSearchParams(window.location.hash.slice(1)).get("key");
  if (found) window.history.replaceState(null, "", window.location.pathname + window.location.search);
  return found;
}

export function useSession() {
  return useQuery({ queryKey: ["session"], queryFn: () => call<Session>("GET", "/session"), retry: false, staleTime: 60_000 });
}

export function SignInGate({ children }: { readonly children: ReactNode }) {
  const client = useQueryClient();
  const [linkKey] = useState(keyFromLink);
  const session = useSession();
  const signIn = useMutation({
    mutationFn: (key: string) => call<Session>("POST", "/session", { body: { key } }),
    onSuccess: () => client.invalidateQueries(),
  });
  const { mutate } = signIn;
  useEffect(() => { if (linkKey) mutate(linkKey); }, [linkKey, mutate]);
  if (session.data) return children;
  if (session.isPending || signIn.isPending || (linkKey && signIn.isIdle)) return <main className="main"><Loading what="your session" rows={2} /></main>;
  const refused = session.error instanceof Problem && [401, 403].includes(session.error.status);
  if (!refused) return <main className="main"><Failed error={session.error} retry={() => { void session.refetch(); }} /></main>;
  return <SignInForm submit={mutate} error={signIn.error} />;
}

function SignInForm({ submit, error }: { readonly submit: (key: string) => void; readonly error: unknown }) {
  const [key, setKey] = useState("");
  return (
    <main className="main">
      <form className="panel stack" style={{ maxWidth: 460, margin: "12vh auto" }} onSubmit={(event) => { event.preventDefault(); submit(key.trim()); }}>
        <h1>Sign in to Soulcaster</h1>
        <p className="muted">Open the link that <code>soulcaster up</code> printed, or paste an API key.</p>
        <label className="field">API key
          <input type="password" autoComplete="current-password" value={key} onChange={(event) => { setKey(event.target.value); }} required />
        </label>
        {error ? <p className="banner tone-bad" role="alert">{message(error)}</p> : null}
        <div className="row"><Button kind="primary" type="submit">Sign in</Button></div>
      </form>
    </main>
  );
}
