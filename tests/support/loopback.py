"""What the doubles that speak HTTP by hand share: a listener on loopback, one request a connection, an end for all."""

import abc
import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

LONGEST: Final = 32 * 1024 * 1024  # bytes of a head or a line


T = TypeVar("T", bound="Loopback")


@dataclass(frozen=True)
class Request:
    """``headers`` by their names in small letters; ``body`` is the JSON that came."""

    head: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def bearer(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


class Loopback(abc.ABC):
    """A server of one request a connection. A kind of it says in ``answer`` what it answers."""

    def __init__(self) -> None:
        self.port = 0
        self._open: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @abc.abstractmethod
    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Write the whole answer, or none, or less."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self.answer(await _read(reader), writer)
        except asyncio.CancelledError:
            return  # the test is over
        finally:
            self._open.discard(task)
            writer.close()

    async def stop(self) -> None:
        """End connections that still hang."""
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head.split("\r\n"))}
    return Request(head, headers, json.loads(await reader.readexactly(int(headers.get("content-length", "0")))))


@asynccontextmanager
async def listening(server: T) -> AsyncIterator[T]:
    """The server, on a free port; ended with the block."""
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=LONGEST)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.stop()
        await listener.wait_closed()
