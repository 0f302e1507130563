import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState, type ReactNode } from "react";
import { useSession } from "@/api/session";
import { Failed, Loading } from "@/components/states";
import { Button } from "@/components/ui";
import { call } from "@/lib/http";
import { message, Problem } from "@/lib/problem";

/** The key of the link that `soulcaster up` prints; taken out of the address at once so that it is not bookmarked. */
function keyFromLink(): string | null {
  const found = new URLSearchParams(window.location.hash.slice(1)).get("key");
  if (found) window.history.replaceState(null, "", window.location.pathname + window.location.search);
  return found;
}
const linkKey = keyFromLink();

export function SignInGate({ children }: { readonly children: ReactNode }) {
  const client = useQueryClient();
  const session = useSession();
  const signIn = useMutation({
    mutationFn: (key: string) => call("POST", "/session", { body: { key } }),
    onSuccess: () => client.resetQueries({ queryKey: ["session"] }),
  });
  const { mutate } = signIn;
  useEffect(() => {
    if (linkKey) mutate(linkKey);
  }, [mutate]);
  if (session.data && !(linkKey && signIn.isPending)) return children;
  if (session.isPending || signIn.isPending || (linkKey && signIn.isIdle)) {
    return (
      <main className="main">
        <Loading what="your session" rows={2} />
      </main>
    );
  }
  const refused = session.error instanceof Problem && [401, 403].includes(session.error.status);
  if (!refused) {
    return (
      <main className="main">
        <Failed
          error={session.error}
          retry={() => {
            void session.refetch();
          }}
        />
      </main>
    );
  }
  const github = session.error instanceof Problem && session.error.githubSignIn;
  return <SignInForm submit={mutate} error={signIn.error} github={github} />;
}

interface FormProps {
  readonly submit: (key: string) => void;
  readonly error: unknown;
  readonly github: boolean;
}

function SignInForm({ submit, error, github }: FormProps) {
  const [key, setKey] = useState("");
  useEffect(() => {
    document.title = "Sign in · Soulcaster";
  }, []);
  return (
    <main className="main">
      <form
        className="panel stack sign-in"
        onSubmit={(event) => {
          event.preventDefault();
          submit(key.trim());
        }}
      >
        <img src="/icon.svg" alt="" width="40" height="40" />
        <h1>Sign in to Soulcaster</h1>
        <p className="muted">
          Open the link that <code>soulcaster up</code> printed, or paste an API key.
        </p>
        <label className="field">
          API key
          <input
            type="password"
            autoComplete="current-password"
            value={key}
            onChange={(event) => {
              setKey(event.target.value);
            }}
            required
          />
        </label>
        {error ? (
          <p className="banner tone-bad wrap" role="alert">
            {message(error)}
          </p>
        ) : null}
        <div className="row">
          <Button kind="primary" type="submit">
            Sign in
          </Button>
          {github ? (
            <a className="button" href="/session/github">
              Sign in with GitHub
            </a>
          ) : null}
        </div>
      </form>
    </main>
  );
}
