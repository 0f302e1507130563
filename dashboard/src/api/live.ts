import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { url } from "@/lib/http";

export type Connection = "connecting" | "live" | "reconnecting" | "ended";

interface StreamOptions {
  /** Called for each event but `end`. */
  readonly onEvent: (data: string, name: string, id: string) => void;
  readonly names: readonly string[];
  readonly enabled?: boolean;
}

const HIDDEN_MS = 30_000;
const AGAIN_MS = 2000;

/**
 * One server-sent event stream. The browser reconnects by itself with the last id, so nothing is missed or repeated;
 * when it gives up (an error status, a restart behind a proxy) the stream is opened again from the last id seen.
 * A page that stays hidden gives its connection back: a browser has six per host for all of its tabs.
 */
export function useStream(path: string, { onEvent, names, enabled = true }: StreamOptions): Connection {
  const [connection, setConnection] = useState<Connection>("connecting");
  const handler = useRef(onEvent);
  useEffect(() => {
    handler.current = onEvent;
  });
  const wanted = names.join(" ");
  useEffect(() => {
    if (!enabled) return;
    const follower = new Follower(path, wanted.split(" "), setConnection, (...event) => {
      handler.current(...event);
    });
    return () => {
      follower.close();
    };
  }, [path, wanted, enabled]);
  return enabled ? connection : "ended";
}

class Follower {
  private source: EventSource | undefined;
  private timer: number | undefined;
  private last: string | undefined;
  private over = false;

  constructor(
    private readonly path: string,
    private readonly names: readonly string[],
    private readonly tell: (connection: Connection) => void,
    private readonly event: (data: string, name: string, id: string) => void,
  ) {
    document.addEventListener("visibilitychange", this.looked);
    this.open();
  }

  close(): void {
    this.over = true;
    this.source?.close();
    window.clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.looked);
    report(this.path, undefined);
  }

  private open(): void {
    const source = new EventSource(url(this.path, { after: this.last }), { withCredentials: true });
    this.source = source;
    source.onopen = () => {
      this.say("live");
    };
    source.onerror = () => {
      if (this.over) return;
      this.say("reconnecting");
      if (source.readyState === EventSource.CLOSED) {
        this.timer = window.setTimeout(() => {
          this.open();
        }, AGAIN_MS);
      }
    };
    for (const name of this.names) source.addEventListener(name, this.received(name));
    source.addEventListener("end", () => {
      this.say("ended");
      this.close();
    });
  }

  private received(name: string) {
    return (event: MessageEvent<string>): void => {
      this.last = event.lastEventId || this.last;
      this.event(event.data, name, event.lastEventId);
    };
  }

  private readonly looked = (): void => {
    window.clearTimeout(this.timer);
    if (document.hidden) {
      this.timer = window.setTimeout(() => {
        this.source?.close();
        this.source = undefined;
      }, HIDDEN_MS);
    } else if (!this.source || this.source.readyState === EventSource.CLOSED) {
      this.open();
    }
  };

  private say(connection: Connection): void {
    this.tell(connection);
    report(this.path, connection);
  }
}

/** What the streams of the page are doing, for the one sign of it in the frame. */
const states = new Map<string, Connection>();
const listeners = new Set<() => void>();
let summary: Connection = "connecting";

function report(path: string, connection: Connection | undefined): void {
  if (connection === undefined || connection === "ended") states.delete(path);
  else states.set(path, connection);
  const all = [...states.values()];
  summary = all.includes("reconnecting")
    ? "reconnecting"
    : all.includes("live")
      ? "live"
      : all.length
        ? "connecting"
        : "ended";
  for (const listener of listeners) listener();
}

export function useConnection(): Connection {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => summary,
  );
}
