"""Reports coming in: a burst, latency beside a long queue and busy clustering, a flood, and an import under kill -9.

``python -m benchmarks.bench_intake [burst|busy|flood|kills ...]``; all without a name. Gateway, triage, orchestrator
and broker are processes of an embedded instance on SQLite; the webhook is Sentry's, signed, each event new. Clients are
plain sockets in this process and share its cores with everything else. Open loop: a request's time counts from the
moment at which it was due, so that a slow server cannot slow its own measurement down.
"""

import asyncio
import hashlib
import hmac
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from benchmarks.measure import main, milliseconds, tell
from messaging.connection import connect
from messaging.provision import provision
from runtime.ids import new_id
from schemas import subjects
from schemas.clusters import Cluster
from schemas.jobs import FixRequest, Job
from tests.integration.triage import kills
from tests.integration.triage import stack as triage_stack
from tests.support.eventually import eventually
from tests.support.nats_server import running
from tests.support.stack import PROJECT, Stack, stack

SERVICES = ("orchestrator", "triage", "gateway")
SECRET = "bench-secret-0123456789abcdef"
CONNECTIONS = 64
QUEUED = 10_000
IMPORTED = 10_000


class Client:
    """``answers``: ``(status, seconds since due, Retry-After was sent)`` of each request."""

    def __init__(self, port: int, path: str) -> None:
        self._port, self._path = port, path
        self.answers: list[tuple[int, float, bool]] = []

    async def open_loop(self, bodies: Iterator[tuple[bytes, str]], rate: float) -> None:
        """Send each body when it is due."""
        begin = time.perf_counter()
        due = ((begin + number / rate, body, header) for number, (body, header) in enumerate(bodies))
        await asyncio.gather(*(self._connection(due) for _ in range(CONNECTIONS)))

    async def closed_loop(self, bodies: Iterator[tuple[bytes, str]], connections: int) -> None:
        """As fast as the answers come."""
        due = ((0.0, body, header) for body, header in bodies)
        await asyncio.gather(*(self._connection(due) for _ in range(connections)))

    async def _connection(self, due: Iterator[tuple[float, bytes, str]]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        for at, body, header in due:
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            begin = at or time.perf_counter()
            head = f"POST {self._path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{header}\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            told = await reader.readuntil(b"\r\n\r\n")
            lowered = told.lower()
            length = int(lowered.partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            self.answers.append((int(told.split()[1]), time.perf_counter() - begin, b"retry-after:" in lowered))
        writer.close()

    def statuses(self) -> dict[str, int]:
        return {str(status): count for status, count in sorted(Counter(one[0] for one in self.answers).items())}

    def seconds(self) -> list[float]:
        return [one[1] for one in self.answers]


def sentry_events(count: int) -> Iterator[tuple[bytes, str]]:
    """Signed deliveries of different events of a thousand issues."""
    for number in range(count):
        trouble = number % 1000
        values = [{"type": "ValueError", "value": f"rate {trouble} is not a number", "stacktrace": {"frames": [
            {"filename": "shop/app.py", "function": "handle", "lineno": 7, "in_app": True},
            {"filename": f"shop/part{trouble % 97}.py", "function": f"step_{trouble}", "lineno": 31, "in_app": True},
        ]}}]  # fmt: skip
        event = {"event_id": new_id(), "issue_id": f"{trouble}", "level": "error", "exception": {"values": values},
                 "title": f"ValueError: rate {trouble} is not a number", "timestamp": time.time()}  # fmt: skip
        body = json.dumps({"action": "triggered", "data": {"event": event}}).encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        yield body, f"Sentry-Hook-Signature: {signature}"


def posthog_events(seconds: float) -> Iterator[tuple[bytes, str]]:
    """Deliveries with the secret, for so long."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        event = {"event": "$exception", "uuid": new_id(), "properties": {"$exception_message": "flood"}}
        yield json.dumps({"data": event}).encode(), f"X-Soulcaster-Secret: {SECRET}"


async def configured(at: Stack) -> None:
    """Until the gateway answers; both sources have their secret."""

    async def check() -> None:
        try:
            for source in ("sentry", "posthog"):
                status, answer = await at.ask("POST", f"/config/{source}/secret", json={"secret": SECRET})
                assert status == 200, answer
        except aiohttp.ClientError as error:
            raise AssertionError(str(error)) from error

    await eventually(check, 60)


def client(at: Stack, path: str) -> Client:
    return Client(at.instance.gateway_port, f"{path}?project_id={PROJECT}")


async def stored(at: Stack, count: int, within: float = 900) -> None:
    async def check() -> None:
        _, stats = await at.ask("GET", "/stats")
        assert stats.get("total_feedback") == count, stats

    await eventually(check, within)


async def burst(folder: Path, rate: int = 2000, seconds: int = 3) -> None:
    """Nothing of a burst is dropped; how long until its last answer, and until all of it is in SQL, grouped."""
    async with stack(folder, services=SERVICES) as at:
        await configured(at)
        await _warm(at)
        sent, begin = client(at, "/ingest/sentry"), time.perf_counter()
        used = {name: cpu(at, name) for name in ("gateway", "triage")}
        await sent.open_loop(sentry_events(rate * seconds), rate)
        answered = time.perf_counter() - begin
        await stored(at, rate * seconds + 50)
        in_sql = time.perf_counter() - begin
        tell(
            "intake_burst", offered_per_second=rate, seconds=seconds, statuses=sent.statuses(),
            last_answer_s=round(answered, 1), answered_per_second=round(rate * seconds / answered),
            all_in_sql_s=round(in_sql, 1), grouped_per_second=round(rate * seconds / in_sql),
            gateway_cpu_ms=round((cpu(at, "gateway") - used["gateway"]) / (rate * seconds) * 1e3, 2),
            triage_cpu_ms=round((cpu(at, "triage") - used["triage"]) / (rate * seconds) * 1e3, 2),
           
            **milliseconds(sent.seconds()), load=_load(),
        )  # fmt: skip


def cpu(at: Stack, name: str) -> float:
    """Processor seconds that a service has used: what it costs, however many others share the machine."""
    fields = Path(f"/proc/{at.children[name].process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _warm(at: Stack) -> None:
    """The first report loads the engine's tables; that is no part of what is measured."""
    await client(at, "/ingest/sentry").open_loop(sentry_events(50), 100)
    await stored(at, 50)


def waiting_job() -> Job:
    """A job in the queue for a runner that never comes."""
    now = datetime.now(UTC)
    name = new_id()
    cluster = Cluster(id=f"c{name}", project_id=PROJECT, revision=1, title="It breaks", count=1, created_at=now,
                      updated_at=now)  # fmt: skip
    request = FixRequest(job_id=name, project_id=PROJECT, cluster_id=cluster.id, cluster=cluster,
                         repo_url="/nonexistent/shop.git", created_at=now)  # fmt: skip
    later = now + timedelta(hours=5)
    return Job(id=name, project_id=PROJECT, cluster_id=cluster.id, request=request, phase="queued", created_at=now,
               updated_at=now, phase_deadline=later, deadline=later)  # fmt: skip


async def busy(folder: Path, rate: int = 50, seconds: int = 20) -> None:
    """Latency of the webhook with 10,000 jobs queued while triage groups a backlog."""
    async with stack(folder, services=()) as at:
        jobs = at.bus.state(subjects.KV_JOBS, Job)
        for _ in range(QUEUED // 200):
            made = [waiting_job() for _ in range(200)]
            await asyncio.gather(*(jobs.put(subjects.key(PROJECT, job.id), job) for job in made))
        for name in SERVICES:
            await at.start(name)
        await configured(at)
        await _warm(at)
        backlog = kills.elsewhere(kills.corpus(8_000), PROJECT)
        await kills.send_in_order(triage_stack.Stack(at.bus, at.nats.url, ""), backlog)
        sent = client(at, "/ingest/sentry")
        await sent.open_loop(sentry_events(rate * seconds), rate)
        _, stats = await at.ask("GET", "/stats")
        left = 50 + len(backlog) + rate * seconds - stats["total_feedback"]
        tell(
            "intake_busy", queued_jobs=QUEUED, backlog=len(backlog), left_ungrouped_at_the_end=left, per_second=rate,
            statuses=sent.statuses(), **milliseconds(sent.seconds()), goal_p99_ms=250, load=_load(),
        )  # fmt: skip


async def flood(folder: Path, seconds: int = 8) -> None:
    """One source floods and is limited; another sends at its ease."""
    async with stack(folder, services=SERVICES, INGEST_RATE="200", INGEST_BURST="400") as at:
        await configured(at)
        await _warm(at)
        alone, beside, flooding = (
            client(at, path) for path in ("/ingest/sentry", "/ingest/sentry", "/ingest/posthog/webhook")
        )
        await alone.open_loop(sentry_events(20 * seconds), 20)
        await asyncio.gather(
            flooding.closed_loop(posthog_events(seconds), 32), beside.open_loop(sentry_events(20 * seconds), 20)
        )
        refused = [one for one in flooding.answers if one[0] == 429]
        tell(
            "intake_flood", limit_per_second=200, burst=400, flood=flooding.statuses(),
            flood_per_second=round(len(flooding.answers) / seconds),
            refusals_with_retry_after=sum(one[2] for one in refused) / max(1, len(refused)),
            other_source=beside.statuses(), other_alone=milliseconds(alone.seconds()),
            other_beside=milliseconds(beside.seconds()), load=_load(),
        )  # fmt: skip


async def killed(folder: Path) -> None:
    """10,000 reports while triage dies by SIGKILL ten times: stored once, clusters as in peace (asserted)."""
    async with AsyncExitStack() as held:
        folder.mkdir()  # noqa: ASYNC240 - before anything runs
        nats = await held.enter_async_context(running(folder / "nats"))
        await provision(nats.url)
        bus = await connect(nats.url, service="test")
        held.push_async_callback(bus.close)
        at = triage_stack.Stack(bus, nats.url, f"sqlite:///{folder / 'triage.db'}")
        items, begin = kills.corpus(IMPORTED), time.perf_counter()
        useful = await kills.killed_again_and_again(at, items, folder / "triage.log", kills=10)
        taken = time.perf_counter() - begin
        await kills.equal(at, items)
        tell("intake_kills", reports=IMPORTED, kills_with_reports_missing=useful, seconds=round(taken), equal=True)


def _load() -> float:
    return round(os.getloadavg()[0], 1)


PARTS: dict[str, Callable[[Path], Awaitable[None]]] = {"burst": burst, "busy": busy, "flood": flood, "kills": killed}


async def run() -> None:
    for name in sys.argv[1:] or PARTS:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            await PARTS[name](Path(folder) / "s")


if __name__ == "__main__":
    main(run)
