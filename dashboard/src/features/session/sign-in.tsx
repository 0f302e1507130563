import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState, type ReactNode } from "react";
import { useSession } from "@/api/session";
import { Empty, Failed, Loading } from "@/components/states";
import { Button } from "@/components/ui";
import { call } from "@/lib/http";
import { message, Problem } from "@/lib/problem";

/** The key of the link that `soulcaster up` prints; taken out of the address at once so that it is not bookmarked. */
function keyFromLink(): string | null {
  const found = new URLSearchParams(window.location.hash.slice(1)).get("key");
  if (found) window.history.replaceState(window.history.state, "", window.location.pathname + window.location.search);
  return found;
}
const linkKey = keyFromLink();

export function SignInGate({ children }: { readonly children: ReactNode }) {
  const client = useQueryClient();
  const session = useSession();
  const signIn = useMutation({
    mutationKey: ["session"],
    mutationFn: (key: string) => call("POST", "/session", { body: { key } }),
    onSuccess: () => client.resetQueries({ queryKey: ["session"] }),
  });
  const { mutate } = signIn;
  useEffect(() => {
    if (linkKey) mutate(linkKey);
    const pasted = (): void => {
      const key = keyFromLink(); // the link opened over this very page loads nothing anew
      if (key) mutate(key);
    };
    window.addEventListener("hashchange", pasted);
    return () => {
      window.removeEventListener("hashchange", pasted);
    };
  }, [mutate]);
  const out = session.error instanceof Problem && session.error.status === 401;
  if (session.data && !out && !(linkKey && signIn.isPending)) {
    return session.data.role ? children : <NothingOpen name={session.data.name} />;
  }
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
  return <SignInForm submit={mutate} error={signIn.error} busy={signIn.isPending} ways={waysOf(session.error)} />;
}

const waysOf = (error: unknown): readonly string[] => (error instanceof Problem ? error.signIn : ["key"]);

function NothingOpen({ name }: { readonly name: string }) {
  return (
    <main className="main">
      <Empty title="No project is open to you">
        <p className="wrap">
          You are signed in as {name}, but no project lists you. Ask an admin to add you under Settings, People.
        </p>
        <Button
          onClick={() => {
            void call("DELETE", "/session").finally(() => {
              window.location.assign("/");
            });
          }}
        >
          Sign out
        </Button>
      </Empty>
    </main>
  );
}

/** Where to come back to after the sign-in. */
const here = (): string => window.location.pathname + window.location.search + window.location.hash;

interface FormProps {
  readonly submit: (key: string) => void;
  readonly error: unknown;
  readonly busy: boolean;
  readonly ways: readonly string[];
}

function SignInForm({ submit, error, busy, ways }: FormProps) {
  const github = ways.includes("github");
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
        {github ? (
          <>
            <a
              className="button button-primary sign-in-github"
              href={`/session/github?next=${encodeURIComponent(here())}`}
            >
              Sign in with GitHub
            </a>
            <p className="or small muted">or with an API key</p>
          </>
        ) : (
          <p className="muted">
            Open the link that <code>soulcaster up</code> printed, or paste an API key.
          </p>
        )}
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
        <Button kind={github ? "plain" : "primary"} type="submit" busy={busy}>
          {github ? "Sign in with the key" : "Sign in"}
        </Button>
        <p className="small muted">
          An admin makes keys under Settings; on the machine of the gateway, <code>soulcaster up</code> prints a link
          that signs in.
        </p>
      </form>
    </main>
  );
}
