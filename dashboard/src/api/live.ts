import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { readEvents, type StreamEvent } from "@/lib/event-stream";
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
 * One server-sent event stream. When it is cut (a restart, a proxy, an error status, silence) it is opened again from
 * the last id seen, so nothing is missed or repeated. A page that stays hidden gives its connection back: a browser has
 * six per host for all of its tabs.
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
  private reading: AbortController | undefined;
  private timer: number | undefined;
  private last: string | undefined;
  private pause = AGAIN_MS;
  private over = false;

  constructor(
    private readonly path: string,
    private readonly names: readonly string[],
    private readonly tell: (connection: Connection) => void,
    private readonly event: (data: string, name: string, id: string) => void,
  ) {
    document.addEventListener("visibilitychange", this.looked);
    window.addEventListener("online", this.looked);
    void this.open();
  }

  close(): void {
    this.over = true;
    this.reading?.abort();
    window.clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.looked);
    window.removeEventListener("online", this.looked);
    report(this.path, undefined);
  }

  private async open(): Promise<void> {
    const reading = new AbortController();
    this.reading = reading;
    const end = await readEvents(url(this.path, { after: this.last }), {
      signal: reading.signal,
      opened: () => {
        this.say("live");
      },
      event: this.received,
      retry: (ms) => {
        this.pause = ms;
      },
    }).catch(() => "cut" as const); // no gateway, no network, silence: all of them are waited out
    if (this.over || reading.signal.aborted) return;
    this.reading = undefined;
    if (end === "over") this.finish();
    else this.again();
  }

  private again(): void {
    this.say("reconnecting");
    this.timer = window.setTimeout(() => {
      void this.open();
    }, this.pause);
  }

  private finish(): void {
    this.say("ended");
    this.close();
  }

  private readonly received = ({ name, data, id }: StreamEvent): void => {
    this.last = id || this.last;
    if (name === "end") this.finish();
    else if (this.names.includes(name)) this.deliver(data, name, id);
  };

  /** A defect in what the page does with an event is told as one; it does not end the stream. */
  private deliver(data: string, name: string, id: string): void {
    try {
      this.event(data, name, id);
    } catch (error) {
      reportError(error);
    }
  }

  /** Looked at again, or on the network again: nobody wants to wait for the timer. */
  private readonly looked = (): void => {
    window.clearTimeout(this.timer);
    if (document.hidden) {
      this.timer = window.setTimeout(() => {
        this.reading?.abort();
        this.reading = undefined;
      }, HIDDEN_MS);
    } else if (!this.reading) {
      void this.open();
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
