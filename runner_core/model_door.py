"""How remote sandboxes reach their attempt's model proxy: one TCP port of the runner, a secret path for each.

Outside it is published as MODEL_PROXY_PUBLIC_URL, with TLS by a reverse proxy in front. A request to
``/<route>/v1/...`` goes on to the unix socket that the route was opened for; the proxy behind it still asks for the
job's own key. Nothing else is served, and a route ends with its sandbox.
"""

import asyncio
import contextlib
import os
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp

from runner_core import http1

_PATH = re.compile(r"^/([A-Za-z0-9_-]{32})(/v1/[A-Za-z0-9/_-]*)\Z")
PASSED_ON = ("authorization", "content-type", "accept")


class ModelDoor:
    """Listens on ``host:port`` (0: any free port) from the first ``open`` on until ``close``."""

    def __init__(self, public_url: str, host: str = "127.0.0.1", port: int = 0) -> None:
        self.public_url, self._host, self.port = public_url.rstrip("/"), host, port
        self._routes: dict[str, Path] = {}
        self._server: asyncio.Server | None = None
        self._starting = asyncio.Lock()
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Idempotent; raises OSError when the port cannot be had."""
        async with self._starting:
            if self._server is None:
                self._server = await asyncio.start_server(self._accept, self._host, self.port, limit=http1.LONGEST_HEAD)
                self.port = self._server.sockets[0].getsockname()[1]

    @contextmanager
    def route(self, socket: Path) -> Iterator[str]:
        """A base URL, ending in ``/v1``, that leads to the model proxy at ``socket`` until left."""
        name = secrets.token_urlsafe(24)
        self._routes[name] = socket
        try:
            yield f"{self.public_url}/{name}/v1"
        finally:
            del self._routes[name]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._open.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            response = http1.Response(writer)
            try:
                request = await http1.read_request(reader)
            except http1.BadRequest as error:
                return await response.error(error.status, "invalid_request_error", error.reason)
            if request is None:
                return
            match = _PATH.match(request.path.partition("?")[0])
            socket = self._routes.get(match[1]) if match else None
            if match is None or socket is None:
                await response.error(404, "not_found", "No attempt of this runner has this address.")
            else:
                await self._pass_on(socket, match[2], request, response)

    async def _pass_on(self, socket: Path, path: str, request: http1.Request, response: http1.Response) -> None:
        headers = {name: value for name, value in request.headers.items() if name in PASSED_ON}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        try:
            async with (
                _reached(socket) as short,
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(short), timeout=timeout) as session,
                session.request(request.method, f"http://proxy{path}", data=request.body, headers=headers) as answer,
            ):
                await _relay(answer, response)
        except (aiohttp.ClientError, OSError):
            if response.started:
                raise ConnectionResetError from None  # a cut answer must not look whole
            await response.error(502, "model_unavailable", "The attempt of this address has ended.")


@asynccontextmanager
async def _reached(socket: Path) -> AsyncIterator[str]:
    """A short path to the socket while it is used: unix(7) allows 107 bytes."""
    folder = os.open(socket.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{socket.name}"
    finally:
        os.close(folder)


async def _relay(answer: aiohttp.ClientResponse, response: http1.Response) -> None:
    kind = _kind(answer.headers)
    if answer.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return await response.whole(answer.status, await answer.read(), kind)
    await response.start(kind)
    async for piece in answer.content.iter_any():
        await response.chunk(piece)
    await response.end()


def _kind(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Type", "application/json")
