"""A real nats-server of one test's own: free port, JetStream in the test's folder, killed and restarted at will."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from runtime.processes import Child, free_port, nats_server_binary

READY = b"Server is ready"
START_SECONDS = 20.0

CONFIG = """
host: "127.0.0.1"
port: {port}
server_name: "test-{port}"
max_payload: 1MB
jetstream {{ store_dir: "{store}", sync_interval: 1s, max_mem: 256MB, max_file: 200GB }}
feature_flags {{ js_ack_fc_v2: false }}
{extra}
"""


class NatsServer:
    """``url`` stays the same over restarts; ``log`` is the server's own output."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        self.folder, self.extra = folder, extra
        self.port = free_port()
        self.log = folder / "nats-server.log"
        self.child: Child | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start and wait until the server says that it is ready; a failed start raises with its own words."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nats.conf"
        config.write_text(CONFIG.format(port=self.port, store=self.folder / "jetstream", extra=self.extra))
        begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.child = await Child.start("nats-server", [nats_server_binary(), "-c", config], stderr=log)
        async with asyncio.timeout(START_SECONDS):
            while READY not in (said := self.log.read_bytes()[begin:]):
                if self.child.returncode is not None:
                    raise RuntimeError(f"nats-server ended with {self.child.returncode}: {said.decode()[-2000:]}")
                await asyncio.wait({asyncio.ensure_future(self.child.wait())}, timeout=0.005)

    async def kill9(self) -> None:
        """SIGKILL, as a crash would."""
        assert self.child is not None
        await self.child.kill()

    async def stop(self) -> None:
        """SIGTERM and wait."""
        assert self.child is not None
        await self.child.stop()

    async def restart(self) -> None:
        """kill -9, then start on the same port and folder."""
        await self.kill9()
        await self.start()

    def pause(self) -> None:
        """SIGSTOP: the server hangs, its sockets stay open."""
        assert self.child is not None
        self.child.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        assert self.child is not None
        self.child.signal(signal.SIGCONT)


@asynccontextmanager
async def running(folder: Path, extra: str = "") -> AsyncIterator[NatsServer]:
    """A started server as an object; ended with the block. ``extra`` is added to its configuration."""
    server = NatsServer(folder, extra)
    await server.start()
    try:
        yield server
    finally:
        server.resume()
        await server.kill9()


@asynccontextmanager
async def cluster(folder: Path, size: int = 3) -> AsyncIterator[list[NatsServer]]:
    """Servers joined to a cluster with JetStream, ended with the block."""
    ports = [free_port() for _ in range(size)]
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
    extra = 'cluster {{ name: "test", host: "127.0.0.1", port: {port}, routes: [{routes}] }}'
    servers = [NatsServer(folder / f"n{port}", extra.format(port=port, routes=routes)) for port in ports]
    await asyncio.gather(*(server.start() for server in servers))
    try:
        yield servers
    finally:
        for server in servers:
            await server.kill9()


@asynccontextmanager
async def nats_server(folder: Path) -> AsyncIterator[str]:
    """The URL of a started server; ended with the block."""
    async with running(folder) as server:
        yield server.url
