"""Server-sent events (HTML Living Standard, section 9.2): frames, and a response that ends in order.

``id:`` is the stream sequence, so ``Last-Event-ID`` resumes exactly; a comment every 15 s keeps proxies awake; a client
that does not read is dropped and comes back with its last id.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import web

from services.gateway.dispatch import authenticate, authorise, authorise_in
from services.gateway.edge import STREAMS
from services.gateway.problems import Problem, invalid
from services.gateway.table import Call

RETRY_MS: Final = 2000
COMMENT_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 1.0
WRITE_SECONDS: Final = 10.0

HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


def frame(event: str, data: bytes, id_: str | int | None) -> bytes:
    """One event. ``data`` is JSON: a line break in it is white space, never content."""
    head = b"" if id_ is None else b"id: %b\n" % str(id_).encode()
    return head + b"event: %b\ndata: %b\n\n" % (event.encode(), data.replace(b"\n", b" ").replace(b"\r", b" "))


class Out:
    """Where producers write. ``written`` is the loop time of the last write, ``since`` when one under way began."""

    def __init__(self, response: web.StreamResponse) -> None:
        self.response = response
        self.written = 0.0
        self.since: float | None = None
        self._loop = asyncio.get_running_loop()

    async def send(self, event: str, data: bytes, id_: str | int | None = None) -> None:
        """Send an event."""
        await self.write(frame(event, data, id_))

    async def write(self, data: bytes) -> None:
        """Send bytes; several frames may be joined. Waits while the client does not read; ``_keep`` ends that."""
        self.since = self.written = self._loop.time()
        await self.response.write(data)
        self.since = None

    async def end(self, id_: int, **values: object) -> None:
        """The last event. Its id makes a browser that comes back anyway be told to stop (204)."""
        await self.send("end", msgspec.json.encode(values), id_)


Producer = Callable[[Out], Awaitable[None]]


async def stream(call: Call, *producers: Producer) -> web.StreamResponse:
    """Run producers until the first of them ends, the client goes, its permission ends, or the gateway stops."""
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(call.request)
    out = Out(response)
    with STREAMS.track_inprogress():
        try:
            await out.write(b"retry: %d\n\n" % RETRY_MS)
            await _run(call, out, producers)
            await response.write_eof()
        except (ConnectionError, TimeoutError):
            _drop(call.request)
    return response


async def _run(call: Call, out: Out, producers: tuple[Producer, ...]) -> None:
    tasks = [asyncio.ensure_future(producer(out)) for producer in producers]
    tasks.append(asyncio.ensure_future(_keep(call, out)))
    tasks.append(asyncio.ensure_future(_stopped(call)))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        task.result()


async def _stopped(call: Call) -> None:
    await call.gateway.stopping.wait()


async def _keep(call: Call, out: Out) -> None:
    """Ends when the client is gone or may not look any more; comments on silence."""
    loop = asyncio.get_running_loop()
    checked = loop.time()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        transport = call.request.transport
        if transport is None or transport.is_closing():
            return
        if out.since is not None and loop.time() - out.since > WRITE_SECONDS:
            raise TimeoutError("the client does not read")
        if loop.time() - checked >= COMMENT_SECONDS:
            checked = loop.time()
            if not await _still_allowed(call):
                return
        if out.since is None and loop.time() - out.written >= COMMENT_SECONDS:
            await out.write(b": still here\n\n")


async def _still_allowed(call: Call) -> bool:
    try:
        call.principal = await authenticate(call.gateway, call.request)
        authorise(call)
        authorise_in(call, call.project_id)
    except Problem:
        return False
    return True


def _drop(request: web.Request) -> None:
    """Close at once what a client does not read; an orderly end would wait for it."""
    if request.transport is not None:
        request.transport.abort()


def resume_from(call: Call, given: str | int | None) -> str | None:
    """The last id the client saw: the header a browser sends on reconnect wins over ``?after=``."""
    header = call.request.headers.get("Last-Event-ID")
    return header if header else (None if given is None else str(given))


def sequence(text: str | None) -> int:
    """A stream sequence; Problem 422."""
    if text is None:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise invalid("Last-Event-ID", "is not an id of this stream")
    return min(int(text), 2**63 - 1)
