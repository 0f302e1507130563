import { useEffect, useRef, useState } from "react";
import { url } from "@/lib/http";

export type Connection = "connecting" | "live" | "reconnecting" | "ended";

interface StreamOptions {
  /** Called for each event; `end` is not passed on. */
  readonly onEvent: (data: string, name: string, id: string) => void;
  readonly names?: readonly string[];
  readonly after?: string | undefined;
  readonly enabled?: boolean;
}

/**
 * One server-sent event stream. The browser reconnects by itself with the last id, so nothing is missed or repeated;
 * when it gives up (a 4xx or a restart behind a proxy) the stream is opened again from the last id seen.
 */
export function useStream(path: string, { onEvent, names = ["message"], after, enabled = true }: StreamOptions): Connection {
  const [connection, setConnection] = useState<Connection>("connecting");
  const handler = useRef(onEvent);
  useEffect(() => {
    handler.current = onEvent;
  });
  const namesKey = names.join(" ");
  useEffect(() => {
    if (!enabled) return;
    let source: EventSource | undefined;
    let timer: number | undefined;
    let last = after;
    let closed = false;
    const open = (): void => {
      source = new EventSource(url(path, { after: last }), { withCredentials: true });
      source.onopen = () => { setConnection("live"); };
      source.onerror = () => {
        if (closed) return;
        setConnection("reconnecting");
        if (source?.readyState === EventSource.CLOSED) timer = window.setTimeout(open, 2000);
      };
      for (const name of namesKey.split(" ")) {
        source.addEventListener(name, (event: MessageEvent<string>) => {
          last = event.lastEventId || last;
          handler.current(event.data, name, event.lastEventId);
        });
      }
      source.addEventListener("end", () => {
        closed = true;
        source?.close();
        setConnection("ended");
      });
    };
    open();
    return () => {
      closed = true;
      source?.close();
      window.clearTimeout(timer);
    };
  }, [path, after, enabled, namesKey]);
  return enabled ? connection : "ended";
}
