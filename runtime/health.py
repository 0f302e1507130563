"""Health from pings, served on loopback by asyncio alone so that a service needs no web framework."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from http import HTTPStatus

import msgspec

Ping = Callable[[], Awaitable[object]]
PING_SECONDS = 3.0


class Health:
    """Named async pings; a ping that raises or takes longer than three seconds is a failure with its reason."""

    def __init__(self) -> None:
        self._pings: dict[str, Ping] = {}

    def add(self, name: str, ping: Ping) -> None:
        """Register a ping; the same name replaces the earlier one."""
        self._pings[name] = ping

    async def check(self) -> dict[str, str]:
        """``{name: "ok" | reason}``, all pings at once."""
        names = list(self._pings)
        return dict(zip(names, await asyncio.gather(*(self._one(name) for name in names)), strict=True))

    async def _one(self, name: str) -> str:
        try:
            await asyncio.wait_for(self._pings[name](), PING_SECONDS)
        except TimeoutError:
            return f"no answer in {PING_SECONDS:g} s"
        except Exception as error:  # a ping may fail in any way; that it failed is the answer
            return str(error) or type(error).__name__
        return "ok"


_HERE: ContextVar[Health] = ContextVar("health")


def here() -> Health:
    """The health of this process's service: ``health.here().add("nats", bus.ping)``."""
    try:
        return _HERE.get()
    except LookupError:
        _HERE.set(found := Health())
        return found


@asynccontextmanager
async def serve(host: str, port: int, health: Health) -> AsyncIterator[int]:
    """Answer ``GET /livez``, ``/readyz`` and ``/metrics`` until the block ends; yields the port (0 picks one)."""
    server = await asyncio.start_server(lambda r, w: _answer(r, w, health), host, port, limit=8192)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, health: Health) -> None:
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        request = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        words = request.split(b"\r\n", 1)[0].split()
        path = words[1].decode("latin-1") if len(words) > 1 and words[0] == b"GET" else ""
        status, kind, body = await _route(path, health)
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
    writer.close()


async def _route(path: str, health: Health) -> tuple[HTTPStatus, str, bytes]:
    match path:
        case "/livez":
            return HTTPStatus.OK, "application/json", b'{"status":"ok"}'
        case "/readyz":
            found = await health.check()
            ready = all(answer == "ok" for answer in found.values())
            body = msgspec.json.encode({"status": "ok" if ready else "failing", "checks": found})
            return HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, "application/json", body
        case "/metrics":
            from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

            return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest()
        case _:
            return HTTPStatus.NOT_FOUND, "application/json", b'{"status":"not found"}'
