"""A job's log through the gateway to SSE clients: lost lines, latency, the gateway's memory, against a bare server.

``python -m benchmarks.bench_sse``. Runner's pipe (this process) -> JetStream -> gateway (a process) -> clients (another
process, plain sockets). Each line carries the time it was written; a client notes the difference when the bytes arrive.
The bare server is the least that does the same without resuming: one nats-py subscription, each message written to
every aiohttp response as it comes; its publisher is nats-py alone, awaiting each ack.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import nats
import structlog
import uvloop
from aiohttp import web
from nats.aio.msg import Msg

from benchmarks.measure import main, milliseconds, tell
from messaging.logpipe import LogPublisher
from runtime.processes import Child, free_port
from schemas import subjects
from schemas.clusters import Cluster
from schemas.jobs import FixRequest, Job
from tests.support.eventually import eventually
from tests.support.stack import PROJECT, Stack, stack

LINE = "2026-11-23 12:00:00 a line of a build log of the usual length, about one hundred characters long in all, yes"
SECONDS = 10
STALLED, STALLED_MB = 200, 64
Write = Callable[[str], Awaitable[object]]


class Viewer(asyncio.Protocol):
    """One SSE client that only counts: lines by their mark, and how old each was when it came."""

    def __init__(self, crowd: "Crowd", request: bytes) -> None:
        self._crowd, self._request = crowd, request
        self.seen, self.open = 0, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)  # uvloop's is not a subclass

    def data_received(self, data: bytes) -> None:
        now = time.time()
        if not self.open:
            self.open = True
            self._crowd.opened()
        _, *parts = data.split(b"@")
        self.seen += len(parts)
        self._crowd.note(now, parts)


class Crowd:
    """Many viewers in one process."""

    def __init__(self, count: int, total: int) -> None:
        self.count, self.total = count, total
        self.delays: list[float] = []
        self.got = self._open = 0
        self.all_open, self.all_there = asyncio.Event(), asyncio.Event()

    def opened(self) -> None:
        self._open += 1
        if self._open == self.count:
            self.all_open.set()

    def note(self, now: float, parts: list[bytes]) -> None:
        # A stamp cut by the end of a read is counted and not timed.
        self.delays.extend(now - float(part[:17]) for part in parts if len(part) >= 17)
        self.got += len(parts)
        if self.got >= self.count * self.total:
            self.all_there.set()


async def view(host: str, port: int, path: str, key: str, count: int, total: int) -> None:
    """The clients' process: prints ``ready``, then one JSON object."""
    crowd = Crowd(count, total)
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    for start in range(0, count, 50):
        many = range(start, min(start + 50, count))
        await asyncio.gather(*(loop.create_connection(lambda: Viewer(crowd, request), host, port) for _ in many))
    await crowd.all_open.wait()
    print("ready", flush=True)
    with suppress(TimeoutError):
        await asyncio.wait_for(crowd.all_there.wait(), SECONDS + 30)
    print(json.dumps({"lost": count * total - crowd.got, **milliseconds(crowd.delays)}), flush=True)


async def bare_server(url: str, port: int) -> None:
    """What a gateway cannot do less than."""
    responses: list[web.StreamResponse] = []

    async def follow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 2000\n\n")
        responses.append(response)
        await asyncio.Event().wait()
        return response

    async def spread(message: Msg) -> None:
        frame = b"event: log\ndata: " + message.data + b"\n\n"
        for response in responses:
            with suppress(ConnectionError):
                await response.write(frame)

    client = await nats.connect(url)
    await client.subscribe("logs.p.bare", cb=spread)
    app = web.Application()
    app.router.add_get("/logs", follow)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


def resident(pid: int, name: str = "VmRSS") -> float:
    """MB; ``VmHWM`` is the highest so far."""
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(next(int(row.split()[1]) for row in rows if row.startswith(name)) / 1024, 1)


async def a_job(at: Stack, job_id: str) -> None:
    """A running job as the orchestrator would have written it; nobody works on it."""
    now = datetime.now(UTC)
    cluster = Cluster(id="c1", project_id=PROJECT, revision=1, title="x", count=1, created_at=now, updated_at=now)
    request = FixRequest(
        job_id=job_id, project_id=PROJECT, cluster_id="c1", cluster=cluster, repo_url="/x", created_at=now
    )
    later = now + timedelta(hours=1)
    job = Job(
        id=job_id, project_id=PROJECT, cluster_id="c1", status="running", phase="agent", request=request,
        phase_deadline=later, deadline=later, created_at=now, updated_at=now,
    )  # fmt: skip
    await at.bus.state(subjects.KV_JOBS, Job).put(subjects.key(PROJECT, job_id), job)


async def steady(write: Write, rate: int) -> None:
    """Lines at an even rate for SECONDS."""
    begin = time.perf_counter()
    for number in range(rate * SECONDS):
        await write(f"@{time.time():017.6f} {LINE}")
        await asyncio.sleep(max(0.0, begin + (number + 1) / rate - time.perf_counter()))


async def watched(url: str, path: str, key: str, viewers: int, rate: int, write: Write) -> dict[str, float]:
    """What ``viewers`` clients saw of lines written at ``rate``."""
    port = url.rsplit(":", 1)[1]
    argv = [sys.executable, "-m", "benchmarks.bench_sse", "view", port, path, key, str(viewers), str(rate * SECONDS)]
    clients = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert clients.stdout is not None
    assert (await asyncio.wait_for(clients.stdout.readline(), 60)).strip() == b"ready"
    await steady(write, rate)
    found: dict[str, float] = json.loads(await clients.stdout.readline())
    await clients.wait()
    return found


async def through_gateway(at: Stack, viewers: int, rate: int) -> None:
    job_id = f"LIVE{viewers}x{rate}"
    await a_job(at, job_id)
    pid = at.children["gateway"].pid
    before = resident(pid)
    pipe = LogPublisher(at.bus, PROJECT, job_id, 1)
    path, key = f"/jobs/{job_id}/logs/stream", at.layout.admin_key()
    found = await watched(at.url, path, key, viewers, rate, lambda line: pipe.write([line]))
    await pipe.close()
    memory = {"before": before, "after": resident(pid), "peak": resident(pid, "VmHWM")}
    tell("sse_gateway", viewers=viewers, lines_per_second=rate, **found, gateway_mb=memory)


async def through_bare(at: Stack, viewers: int, rate: int) -> None:
    port = free_port()
    argv = [sys.executable, "-m", "benchmarks.bench_sse", "bare", at.nats.url, str(port)]
    server = await Child.start("bare", argv)
    client = await nats.connect(at.nats.url)
    js = client.jetstream()

    async def listening() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    await eventually(listening, 10)
    try:
        found = await watched(
            f"http://127.0.0.1:{port}",
            "/logs",
            "x",
            viewers,
            rate,
            lambda line: js.publish("logs.p.bare", line.encode()),
        )
        tell("sse_bare", viewers=viewers, lines_per_second=rate, **found)
    finally:
        await server.kill()
        await client.close()


async def stalled(at: Stack) -> None:
    """Clients that never read, while much is printed: the gateway must not keep it for them."""
    job_id = "STALLED"
    await a_job(at, job_id)
    pid = at.children["gateway"].pid
    before = resident(pid)
    head = (
        f"GET /jobs/{job_id}/logs/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {at.layout.admin_key()}\r\n\r\n"
    )
    connections = []
    for _ in range(STALLED):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(at.url.rsplit(":", 1)[1]), limit=1024)
        writer.write(head.encode())
        connections.append((reader, writer))
    pipe = LogPublisher(at.bus, PROJECT, job_id, 1)
    peak = before
    for _ in range(STALLED_MB * 1024 * 1024 // (len(LINE) * 64)):
        await pipe.write([LINE] * 64)
        peak = max(peak, resident(pid))
    await pipe.close()
    tell("sse_stalled_clients", clients=STALLED, log_mb=STALLED_MB, gateway_mb={"before": before, "peak": peak})
    for _, writer in connections:
        writer.close()


async def run() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with stack(Path(folder) / "s", services=("gateway",)) as at:
            await eventually(lambda: _alive(at), 20)
            for viewers, rate in ((1, 100), (1000, 160)):
                await through_bare(at, viewers, rate)
                await through_gateway(at, viewers, rate)
            await stalled(at)


async def _alive(at: Stack) -> bool:
    with suppress(OSError):
        return (await at.ask("GET", "/livez"))[0] == 200
    return False


def _process(arguments: list[str]) -> None:
    """The clients and the bare server are this file as processes of their own."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if arguments[0] == "view":
        port, path, key, count, total = arguments[1:]
        uvloop.run(view("127.0.0.1", int(port), path, key, int(count), int(total)))
    else:
        uvloop.run(bare_server(arguments[1], int(arguments[2])))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _process(sys.argv[1:])
    else:
        main(run)
