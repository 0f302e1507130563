"""From the click to the runner's claim: gateway, orchestrator and runner as processes, against bare nats-py.

``python -m benchmarks.bench_start_fix``. The time is from sending ``POST /clusters/{id}/start_fix`` to the moment at
which this process sees the claim in KV ``jobs``, one watch delivery later than it happened. The floor is one request to
an aiohttp server that does nothing, in a process of its own, and the same number of awaited JetStream operations by
nats-py alone, one after the other: seven, counted in the broker's trace (two reads, two creates, two publishes, one
update). ``with_hops`` adds what also lies on the way: two deliveries by pull consumers and one request with its reply.
Rounds alternate, so that noise of the machine hits all. The attempt then fails at once, as its repository does not
exist; it is waited for.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import nats
import uvloop
from aiohttp import web
from msgspec import structs
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.client import JetStreamContext

from benchmarks.measure import main, median, milliseconds, tell
from messaging.ports import CaughtUp
from runtime.ids import new_id
from runtime.processes import Child, free_port
from schemas import subjects
from schemas.base import decode, encode
from schemas.clusters import Cluster
from schemas.jobs import TERMINAL, Job
from schemas.plans import Plan, PlanRecord
from tests.support.eventually import eventually
from tests.support.stack import PROJECT, Stack, stack

ROUNDS = 5
EACH = 30
FINISHED = 10_000
NOWHERE = "/nonexistent/shop.git"


class Watch:
    """Times at which jobs were seen claimed and ended."""

    def __init__(self, at: Stack) -> None:
        self._at = at
        self.claimed: dict[str, asyncio.Future[float]] = {}
        self.ended: dict[str, asyncio.Future[Job]] = {}
        self.ready = asyncio.Event()

    def expect(self, job_id: str) -> tuple["asyncio.Future[float]", "asyncio.Future[Job]"]:
        loop = asyncio.get_running_loop()
        return (
            self.claimed.setdefault(job_id, loop.create_future()),
            self.ended.setdefault(job_id, loop.create_future()),
        )

    async def run(self) -> None:
        follow = self._at.bus.follow("KV_jobs", [f"$KV.jobs.{PROJECT}.>"], after=None)
        async with aclosing(follow) as items:
            async for item in items:
                now = time.perf_counter()
                if isinstance(item, CaughtUp):
                    self.ready.set()
                    continue
                job = decode(item.data, Job)
                claimed, ended = self.expect(job.id)
                if job.claimed and not claimed.done():
                    claimed.set_result(now)
                if job.status in TERMINAL and not ended.done():
                    ended.set_result(job)


async def prepare(at: Stack, count: int) -> list[str]:
    """Clusters with a current plan, as if triage and planner had made them."""
    now = datetime.now(UTC)
    plans = at.bus.state(subjects.KV_PLANS, PlanRecord)
    names = [f"c{new_id()}" for _ in range(count)]
    for name in names:
        cluster = Cluster(
            id=name, project_id=PROJECT, revision=1, title="It breaks", count=1, created_at=now, updated_at=now
        )
        plan = Plan(
            id=new_id(), project_id=PROJECT, cluster_id=name, version=1, title="Fix it", repo_url=NOWHERE,
            base_branch="main", base_commit="a" * 40, created_at=now, updated_at=now,
        )  # fmt: skip
        await at.bus.publish(subjects.cluster(PROJECT, name), encode(cluster))
        await plans.put(
            subjects.key(PROJECT, name), PlanRecord(project_id=PROJECT, cluster_id=name, current=plan, updated_at=now)
        )
    return names


async def one(at: Stack, watch: Watch, cluster: str) -> tuple[float, Job]:
    """Seconds until the claim was seen, and the job once it is over."""
    begin = time.perf_counter()
    status, answer = await at.ask("POST", f"/clusters/{cluster}/start_fix", json={"repo_url": NOWHERE, "force": True})
    assert status == 200, answer
    claimed, ended = watch.expect(answer["job_id"])
    seen = await asyncio.wait_for(claimed, 30)
    return seen - begin, await asyncio.wait_for(ended, 60)


async def livez(at: Stack) -> None:
    """Until the gateway answers and the runner is known to the orchestrator."""

    async def check() -> bool:
        try:
            status, answer = await at.ask("GET", "/runners")
        except aiohttp.ClientError:
            return False
        return status == 200 and bool(answer.get("runners") or answer.get("items"))

    await eventually(check, 30)


class Floor:
    """The same steps by nats-py alone, in one process, one after the other."""

    def __init__(self, js: JetStreamContext, http: aiohttp.ClientSession, url: str) -> None:
        self._js, self._http, self._url = js, http, url

    async def prepare(self) -> None:
        self._projects, self._jobs = await self._js.key_value("collector"), await self._js.key_value("collector")
        self._plans = self._projects  # a bucket that nobody in this stack reads
        await self._plans.put("bare.plan", b"x" * 1000)
        await self._js.publish("clusters.bare.c", b"x" * 500)
        for name, stream, subject in (
            ("bare-requests", "JOBS", "jobs.bare.*.status"),
            ("bare-tasks", "LOGS", "logs.bare.>"),
        ):
            config = ConsumerConfig(durable_name=name, filter_subject=subject, ack_policy=AckPolicy.EXPLICIT)
            await self._js.add_consumer(stream, config)
        self._requests = await self._js.pull_subscribe_bind("bare-requests", "JOBS")
        self._tasks = await self._js.pull_subscribe_bind("bare-tasks", "LOGS")

    async def run(self, *, hops: bool) -> float:
        """Seconds. ``hops``: also the two deliveries and the request between the services."""
        name, begin = new_id(), time.perf_counter()
        async with self._http.post(self._url, json={"repo_url": NOWHERE}) as response:
            await response.read()
        await self._js.get_last_msg("CLUSTERS", "clusters.bare.c", direct=True)
        await self._plans.get("bare.plan")
        await self._projects.create(f"lock.{name}", b"x" * 1500)
        await self._js.publish(f"jobs.bare.{name}.status", b"x" * 1500, headers={"Nats-Msg-Id": name})
        if hops:
            await _taken(self._requests)
        revision = await self._jobs.create(f"bare.{name}", b"x" * 3000)
        await self._js.publish(f"logs.bare.{name}", b"x" * 2000, headers={"Nats-Msg-Id": f"{name}.1"})
        if hops:
            await _taken(self._tasks)
            await self._js._nc.request("bare.echo", b"x" * 200, timeout=5)
        await self._jobs.update(f"bare.{name}", b"x" * 3000, revision)
        return time.perf_counter() - begin


async def _taken(subscription: JetStreamContext.PullSubscription) -> None:
    """The next message; its ack is not awaited, as in our workers."""
    (message,) = await subscription.fetch(1, timeout=5)
    await message.ack()


async def _bare_http(port: int) -> None:
    """A server that does nothing, in a process of its own."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", **await request.json()})

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def _echo(message: Msg) -> None:
    await message.respond(message.data)


@asynccontextmanager
async def floor(at: Stack) -> AsyncIterator[Floor]:
    port = free_port()
    server = await Child.start("bare", [sys.executable, "-m", "benchmarks.bench_start_fix", str(port)])
    client = await nats.connect(at.nats.url)
    await client.subscribe("bare.echo", cb=_echo)
    try:
        async with aiohttp.ClientSession() as http:
            bare = Floor(client.jetstream(), http, f"http://127.0.0.1:{port}/")
            await bare.prepare()
            await eventually(lambda: _answers(port), 10)
            yield bare
    finally:
        await client.close()
        await server.kill()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def measure(at: Stack, bare: Floor, finished: int) -> Job:
    """Alternating rounds; a line of the three p50, each the median over rounds. The last job, as it ended."""
    watch = Watch(at)
    watching = asyncio.create_task(watch.run())
    await watch.ready.wait()
    clusters = iter(await prepare(at, ROUNDS * EACH + 5))
    for _ in range(5):
        _, job = await one(at, watch, next(clusters))
    rounds: dict[str, list[list[float]]] = {"ours": [], "floor": [], "hops": []}
    for _ in range(ROUNDS):
        rounds["floor"].append([await bare.run(hops=False) for _ in range(EACH)])
        rounds["hops"].append([await bare.run(hops=True) for _ in range(EACH)])
        ours = []
        for _ in range(EACH):
            taken, job = await one(at, watch, next(clusters))
            ours.append(taken)
        rounds["ours"].append(ours)
    watching.cancel()
    middle = {name: median([median(one) for one in each]) for name, each in rounds.items()}
    tell(
        "start_fix_to_claimed",
        finished_jobs=finished,
        ours=milliseconds([value for each in rounds["ours"] for value in each]),
        floor=milliseconds([value for each in rounds["floor"] for value in each]),
        floor_with_hops=milliseconds([value for each in rounds["hops"] for value in each]),
        ratio=round(middle["ours"] / middle["floor"], 2),
        ratio_with_hops=round(middle["ours"] / middle["hops"], 2),
        goal=2.0,
    )
    return job


async def fill(at: Stack, job: Job, count: int) -> None:
    """Finished jobs like ``job`` in the bucket."""
    state = at.bus.state(subjects.KV_JOBS, Job)
    for start in range(0, count, 200):
        names = [new_id() for _ in range(start, min(start + 200, count))]
        copies = [structs.replace(job, id=name, outbox=[]) for name in names]
        await asyncio.gather(*(state.put(subjects.key(PROJECT, copy.id), copy) for copy in copies))


async def run() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with stack(Path(folder) / "s", services=("orchestrator", "gateway", "runner")) as at:
            await livez(at)
            async with floor(at) as bare:
                job = await measure(at, bare, 0)
                await fill(at, job, FINISHED)
                await measure(at, bare, FINISHED)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(_bare_http(int(sys.argv[1])))
    else:
        main(run)
