"""The one way out for set-up commands: an HTTP proxy on a unix socket that knows CONNECT (RFC 9110, 9.3.6) and a list.

It looks no deeper than the name: what goes through is TLS between the package manager and the registry. It resolves
names itself, so that a name cannot lead to another address than the one that was checked.
"""

import asyncio
import contextlib
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from runner_core.allowed_hosts import Allowed, Way, reachable, way

HEAD_BYTES: Final = 16 * 1024
CONNECT_SECONDS: Final = 20.0
IDLE_SECONDS: Final = 120.0
PIECE: Final = 64 * 1024
Resolve = Callable[[str, int], Awaitable[list[str]]]


async def addresses(host: str, port: int) -> list[str]:
    """As the machine resolves the name. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class SetupProxy:
    """``reached`` and ``refused`` count targets, for the log."""

    def __init__(self, allowed: Allowed, resolve: Resolve = addresses) -> None:
        self._allowed, self._resolve = allowed, resolve
        self.reached: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    @asynccontextmanager
    async def listen(self, path: Path) -> AsyncIterator[None]:
        """Serve on a unix socket at ``path`` until left; open connections end with it."""
        open_now: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            open_now.add(task)
            try:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                    await self._serve(reader, writer)
            finally:
                open_now.discard(task)
                writer.close()

        server = await asyncio.start_unix_server(accept, sock=_listener(path), limit=HEAD_BYTES)
        try:
            yield
        finally:
            server.close()
            for task in list(open_now):
                task.cancel()
            await asyncio.gather(*open_now, return_exceptions=True)
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, _, rest = head.partition("\r\n")[0].partition(" ")
        target = rest.partition(" ")[0]
        found = way(target, self._allowed) if method == "CONNECT" else None
        if found is None:
            self.refused[target[:100] if method == "CONNECT" else f"{method[:10]} (only https)"] += 1
            return await _refuse(writer, 403, f"{target[:100]} is not among the hosts that set-up may reach")
        upstream = await self._connected(found)
        if upstream is None:
            return await _refuse(writer, 502, f"{target[:100]} is not reached")
        self.reached[found.host] += 1
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _both_ways((reader, writer), upstream)

    async def _connected(self, way: Way) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                for address in await self._resolve(way.host, way.port):
                    if not reachable(address, way):
                        self.refused[f"{way.host} at a private address"] += 1
                        continue
                    with contextlib.suppress(OSError):
                        return await asyncio.open_connection(address, way.port, limit=PIECE)
        return None


async def _refuse(writer: asyncio.StreamWriter, status: int, words: str) -> None:
    body = f"{words}\n".encode()
    writer.write(
        f"HTTP/1.1 {status} Refused\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
    )
    await writer.drain()


async def _both_ways(
    client: tuple[asyncio.StreamReader, asyncio.StreamWriter], server: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    try:
        await asyncio.gather(_copy(client[0], server[1]), _copy(server[0], client[1]))
    finally:
        server[1].close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        while data := await asyncio.wait_for(source.read(PIECE), IDLE_SECONDS):
            sink.write(data)
            await sink.drain()
    with contextlib.suppress(OSError, RuntimeError):
        if sink.can_write_eof():
            sink.write_eof()


def _listener(path: Path) -> socket.socket:
    """Bound through the folder's descriptor: the path of a unix socket may have only 107 bytes (unix(7))."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        listener = socket.socket(socket.AF_UNIX)
        listener.setblocking(False)
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.chmod(path, 0o600)
    finally:
        os.close(folder)
    return listener
