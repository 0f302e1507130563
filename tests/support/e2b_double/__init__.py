"""A double of e2b on loopback for the real SDK: its REST API and its Connect protocol, with commands really run.

``async with e2b_double(folder) as double``: give ``double.url`` as API and sandbox URL and ``double.key`` as API key.
Operations for faults: create, list, get, kill, timeout, network, connect, read, write, unary, start, attach.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from tests.support.e2b_double import envd
from tests.support.e2b_double.control import Box, Control, error
from tests.support.e2b_double.faults import Fault, Faults, suffer

__all__ = ["E2bDouble", "Fault", "e2b_double"]
TEMPLATE = "soulcaster"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class E2bDouble:
    """``calls`` is the journal: (operation, sandbox id). ``doors``: hosts that exist outside -> loopback port."""

    key = "e2b_0123456789abcdef"

    def __init__(self, folder: Path, most: int, doors: dict[str, int]) -> None:
        self.control = Control(folder, {TEMPLATE}, most, doors)
        self.faults = Faults()
        self.calls: list[tuple[str, str]] = []
        self.port = 0
        self._stopping = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def boxes(self) -> dict[str, Box]:
        return self.control.boxes

    def count(self, operation: str) -> int:
        return sum(1 for name, _ in self.calls if name == operation)

    async def kill(self, sandbox_id: str) -> None:
        """As when the vendor loses a machine."""
        await self.control.end(self.boxes[sandbox_id])

    def app(self) -> web.Application:
        app = web.Application(client_max_size=256 * 1024 * 1024)
        control = self.control
        add = app.router.add_route
        add("POST", "/v2/sandboxes", self._api("create", control.create))
        add("GET", "/v2/sandboxes", self._api("list", control.list))
        add("GET", "/sandboxes/{id}", self._api("get", control.get))
        add("DELETE", "/sandboxes/{id}", self._api("kill", control.kill))
        add("POST", "/sandboxes/{id}/timeout", self._api("timeout", control.timeout))
        add("PUT", "/sandboxes/{id}/network", self._api("network", control.network))
        add("POST", "/v2/sandboxes/{id}/connect", self._api("connect", control.connect))
        add("GET", "/health", self._in_box("health", lambda box, request, fault: _healthy()))
        add("GET", "/files", self._in_box("read", lambda box, request, fault: envd.read_file(box.machine, request)))
        add("POST", "/files", self._in_box("write", lambda box, request, fault: envd.write_files(box.machine, request)))
        add("POST", "/process.Process/{call:Start}", self._in_box("start", self._stream))
        add("POST", "/process.Process/{call:Connect}", self._in_box("attach", self._stream))
        unary = self._in_box("unary", lambda box, request, fault: envd.unary(box.machine, request))
        add("POST", "/process.Process/{call}", unary)
        return app

    async def close(self) -> None:
        self._stopping.set()
        await self.control.close()

    def _api(self, operation: str, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.calls.append((operation, request.match_info.get("id", "")))
            if request.headers.get("X-API-KEY") != self.key:
                return error(401, "unauthorized, please check your API key")
            fault = self.faults.take(operation)
            return await suffer(fault, request, handler, _shape, self._stopping)

        return handle

    def _in_box(
        self, operation: str, act: Callable[[Box, web.Request, Fault | None], Awaitable[web.StreamResponse]]
    ) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            sandbox_id = request.headers.get("E2b-Sandbox-Id", "")
            self.calls.append((operation, sandbox_id))
            box = self.boxes.get(sandbox_id)
            if box is None or box.machine.dead.is_set():
                body = {"sandboxId": sandbox_id, "message": "The sandbox was not found", "code": 502}
                return web.json_response(body, status=502)
            if request.headers.get("X-Access-Token") != box.access:
                return error(401, "unauthorized")
            fault = self.faults.take(operation)

            async def inner(_: web.Request) -> web.StreamResponse:
                return await act(box, request, fault)

            return await suffer(fault, request, inner, _shape, self._stopping)

        return handle

    async def _stream(self, box: Box, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        return await envd.stream(box.machine, request, fault, lambda: self.control.end(box))


async def _healthy() -> web.StreamResponse:
    return web.Response(status=204)


def _shape(fault: Fault) -> web.Response:
    return error(fault.status, fault.message, fault.headers)


@asynccontextmanager
async def e2b_double(folder: Path, *, most: int = 20, doors: dict[str, int] | None = None) -> AsyncIterator[E2bDouble]:
    """Serve until the block ends; every machine ends with it."""
    double = E2bDouble(folder, most, doors or {})
    runner = web.AppRunner(double.app(), handler_cancellation=True, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    double.port = runner.addresses[0][1]
    try:
        yield double
    finally:
        await double.close()
        await runner.cleanup()
