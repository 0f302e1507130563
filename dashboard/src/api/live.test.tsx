import { render, screen, waitFor } from "@testing-library/react";
import { useState } from "react";
import { beforeEach, expect, it, vi } from "vitest";
import { setProject } from "@/lib/http";
import { useStream } from "./live";

let asked: string[] = [];

/** A gateway that gives these answers one after the other; a list is what it sends, piece by piece. */
function gateway(...answers: (readonly string[] | 204 | 503)[]): void {
  vi.stubGlobal("fetch", (address: string) => {
    const answer = answers[asked.push(address) - 1] ?? 503;
    if (typeof answer === "number") return Promise.resolve(new Response(null, { status: answer }));
    const pieces = answer.map((text) => new TextEncoder().encode(text));
    const body = new ReadableStream({
      pull: (to) => {
        const piece = pieces.shift();
        if (piece) to.enqueue(piece);
        else to.close();
      },
    });
    return Promise.resolve(new Response(body));
  });
}

function Shown() {
  const [seen, setSeen] = useState("");
  const connection = useStream("/events", {
    onEvent: (data, name, id) => {
      setSeen((old) => `${old}[${name} ${id} ${data}]`);
    },
    names: ["log"],
  });
  return (
    <p>
      {connection} {seen}
    </p>
  );
}

const AGAIN = "retry: 5\n\n";
const log = (id: number, data: string): string => `id: ${String(id)}\nevent: log\ndata: ${data}\n\n`;

beforeEach(() => {
  asked = [];
  setProject("");
});

it("a stream that is cut is opened again from the last id, and ends when the gateway says so", async () => {
  gateway([AGAIN, log(1, "a"), log(2, "b")], 503, [AGAIN, log(3, "c"), "id: 4\nevent: end\ndata: {}\n\n"]);
  render(<Shown />);
  expect(await screen.findByText("ended [log 1 a][log 2 b][log 3 c]")).toBeTruthy();
  expect(asked).toEqual(["/events", "/events?after=2", "/events?after=2"]);
});

it("an event may come in pieces, also within a letter, and others than those wanted are left alone", async () => {
  const bytes = [...new TextEncoder().encode(`${AGAIN}: still here\n\nevent: other\ndata: 1\n\n${log(7, "grün")}`)];
  vi.stubGlobal("fetch", (address: string) => {
    const first = asked.push(address) === 1;
    const body = new ReadableStream({
      pull: (to) => {
        const byte = bytes.shift();
        if (byte === undefined) to.close();
        else to.enqueue(Uint8Array.of(byte));
      },
    });
    return Promise.resolve(first ? new Response(body) : new Response(null, { status: 204 }));
  });
  render(<Shown />);
  expect(await screen.findByText("ended [log 7 grün]")).toBeTruthy();
});

it("a page that is left closes its stream", async () => {
  let stopped: AbortSignal | undefined;
  vi.stubGlobal("fetch", (_: string, init: { signal: AbortSignal }) => {
    stopped = init.signal;
    return new Promise(() => undefined);
  });
  const { unmount } = render(<Shown />);
  await waitFor(() => {
    expect(stopped).toBeDefined();
  });
  unmount();
  expect(stopped?.aborted).toBe(true);
});
