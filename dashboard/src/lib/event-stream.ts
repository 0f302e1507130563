import { createParser } from "eventsource-parser";

export interface StreamEvent {
  readonly name: string;
  readonly data: string;
  readonly id: string;
}

export interface Reading {
  readonly signal: AbortSignal;
  readonly opened: () => void;
  readonly event: (event: StreamEvent) => void;
  /** Milliseconds to wait before coming back, as the server wants them. */
  readonly retry: (ms: number) => void;
}

/** How a stream ended: the server says that nothing will follow (204), or it just stopped. */
export type End = "over" | "cut";

/** The gateway comments every 15 s: longer silence is a dead connection that nobody has told of. */
const QUIET_MS = 45_000;

/** Work after which what came so far is drawn: a long past must not keep its first lines, or a person's keys, waiting. */
const FRAME_MS = 40;
const LATE_MS = 100;

/** After the next frame was drawn; a page that is not drawn, being hidden, does not wait for one. */
function drawn(): Promise<void> {
  return new Promise((resolve) => {
    window.setTimeout(resolve, LATE_MS);
    requestAnimationFrame(() => {
      window.setTimeout(resolve);
    });
  });
}

/**
 * Reads server-sent events until the stream ends; throws what `fetch` throws. The browser's own EventSource makes each
 * event a task of its own, which costs a third of a millisecond: over a second for the 3,000 chunks of a long log.
 */
export async function readEvents(address: string, { signal, opened, event, retry }: Reading): Promise<End> {
  const quiet = new AbortController();
  let timer = 0;
  const heard = (): void => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => {
      quiet.abort(new Error("the stream fell silent"));
    }, QUIET_MS);
  };
  heard();
  try {
    const response = await fetch(address, {
      headers: { Accept: "text/event-stream" },
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.any([signal, quiet.signal]),
    });
    if (response.status === 204) return "over";
    if (!response.ok || !response.body) return "cut";
    opened();
    const parser = createParser({
      onEvent: (one) => {
        if (!signal.aborted) event({ name: one.event ?? "message", data: one.data, id: one.id ?? "" });
      },
      onRetry: retry,
    });
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let spent = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "cut";
      heard();
      const began = performance.now();
      parser.feed(decoder.decode(value, { stream: true }));
      spent += performance.now() - began;
      if (spent > FRAME_MS) {
        await drawn();
        spent = 0;
      }
    }
  } finally {
    window.clearTimeout(timer);
  }
}
