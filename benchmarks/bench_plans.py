"""What 20 plans at once cost those who use the page meanwhile: gateway, planner and broker as processes.

``python -m benchmarks.bench_plans REPOSITORY``: the path of a real repository, bare or not. Requests arrive at a fixed
rate whether or not earlier ones were answered, and count from the moment at which they were due, so that a stall is
seen (the rule against coordinated omission, Gil Tene, "How NOT to Measure Latency"). Windows with and without plans
alternate, so that noise of the machine hits both. The first plan of the repository (fetch and index) is told apart.
"""

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.measure import main, median, milliseconds, percentile, tell
from runtime.ids import new_id
from schemas import subjects
from schemas.base import encode
from schemas.clusters import Cluster, Evidence
from tests.support.eventually import eventually
from tests.support.stack import PROJECT, Stack, stack

PLANS = 20
ROUNDS = 4
QUIET = 15.0  # seconds of a window without plans
RATE = 100.0  # requests a second
WORDS = (
    "timeout while reading the configuration file", "crash when the list is empty", "wrong encoding of the header",
    "the cache is never invalidated", "error message names the wrong option", "null value breaks the parser",
    "retry gives up too early", "slow response for large input", "path with spaces is not found",
    "date is off by one day", "duplicate key is accepted", "the connection is not closed",
    "unicode name is cut", "default value is ignored", "flag has no effect", "race between reload and request",
    "memory grows with every request", "wrong status code", "sorting is not stable", "redirect loses the query",
)  # fmt: skip


async def clusters(at: Stack) -> list[str]:
    """One cluster for each plan, as triage would publish it."""
    now = datetime.now(UTC)
    names = [f"c{new_id()}" for _ in range(PLANS)]
    for name, words in zip(names, WORDS, strict=True):
        report = Evidence(feedback_id=f"f{name}", source="manual", title=words, body=f"I see: {words}. Please mend it.")
        cluster = Cluster(
            id=name, project_id=PROJECT, revision=1, title=words, count=1, created_at=now, updated_at=now,
            evidence=[report],
        )  # fmt: skip
        await at.bus.publish(subjects.cluster(PROJECT, name), encode(cluster))
    return names


class Load:
    """Requests of a person's page at ``RATE`` until stopped; ``taken`` are seconds from when each was due."""

    def __init__(self, at: Stack, session: aiohttp.ClientSession, cluster: str) -> None:
        self._at, self._session = at, session
        self._turn = 0
        self._requests: list[tuple[str, str, dict[str, Any]]] = [
            ("GET", "/jobs?limit=50", {}),
            ("GET", f"/clusters/{cluster}/plan", {}),
            ("GET", "/runners", {}),
            ("POST", "/ingest/manual", {"json": {"text": "The total is wrong."}}),
        ]

    async def window(self, work: "asyncio.Future[Any]") -> list[float]:
        """Latencies while ``work`` lasts."""
        taken: list[float] = []
        begin, sent = time.perf_counter(), 0
        async with asyncio.TaskGroup() as group:
            while not work.done():
                due = begin + sent / RATE
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(self._one(due, taken))
                sent += 1
        await work
        return taken

    async def _one(self, due: float, taken: list[float]) -> None:
        self._turn += 1
        method, path, options = self._requests[self._turn % len(self._requests)]
        async with self._session.request(method, self._at.url + path, headers=self._at.headers, **options) as response:
            await response.read()
            assert response.status == 200, (path, response.status)
        taken.append(time.perf_counter() - due)


async def plan(at: Stack, name: str, repository: str) -> float:
    """Seconds until the plan was answered."""
    begin = time.perf_counter()
    status, answer = await at.ask("POST", f"/clusters/{name}/plan", json={"repo_url": repository})
    assert status in (200, 201), answer
    return time.perf_counter() - begin


async def measure(at: Stack, repository: str) -> None:
    names = await clusters(at)
    tell("first_plan", seconds=round(await plan(at, names[0], repository), 2))
    tell("next_plan", seconds=round(await plan(at, names[1], repository), 2))
    quiet: list[list[float]] = []
    busy: list[list[float]] = []
    plans: list[float] = []
    spans: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        load = Load(at, session, names[0])
        await load.window(asyncio.ensure_future(asyncio.sleep(3)))
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            work = asyncio.gather(*(plan(at, name, repository) for name in names))
            busy.append(await load.window(work))
            plans += work.result()
            spans.append(time.perf_counter() - begin)
            quiet.append(await load.window(asyncio.ensure_future(asyncio.sleep(QUIET))))
    p99 = {"quiet": [percentile(one, 0.99) for one in quiet], "busy": [percentile(one, 0.99) for one in busy]}
    tell(
        "gateway_while_20_plans",
        rate=RATE,
        rounds=ROUNDS,
        requests=sum(map(len, quiet)) + sum(map(len, busy)),
        quiet=milliseconds([value for one in quiet for value in one]),
        busy=milliseconds([value for one in busy for value in one]),
        p99_rise_of_medians=round(median(p99["busy"]) / median(p99["quiet"]) - 1, 3),
        goal=0.2,
    )
    tell("twenty_plans", all_seconds=round(median(spans), 2), each=milliseconds(plans))


async def ready(at: Stack) -> None:
    """Until the gateway answers."""

    async def check() -> bool:
        try:
            return (await at.ask("GET", "/livez"))[0] == 200
        except aiohttp.ClientError:
            return False

    await eventually(check, 30)


async def run() -> None:
    repository = sys.argv[1]
    tell("repository", path=repository.rstrip("/").removesuffix("/repo").rpartition("/")[2])
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with stack(Path(folder) / "s", services=("gateway", "planner")) as at:
            await ready(at)
            await measure(at, repository)


if __name__ == "__main__":
    main(run)
