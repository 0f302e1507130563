"""The runner: its own part of the time to a started agent, and two hundred jobs on twenty slots.

``python -m benchmarks.bench_runner [overhead|crowd]``. *Overhead* is from the claim to the agent's first line, without
the time in which a provider makes the sandbox, for a repository of 50 MB. *Crowd* is an agent that does its work at
once; "of the slots" is the share of slot time in which an attempt was under way, from the first claim to the last end.
"""

import asyncio
import base64
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import broker, main, percentile, tell
from messaging.connection import NatsBus, connect
from runner_core.model_door import ModelDoor
from runner_core.protocols import Found, Sandbox, SandboxProvider, SandboxSpec
from runner_core.service import serve_runner
from runtime.processes import Child
from schemas import subjects
from schemas.attempts import AttemptEvent
from schemas.base import decode
from schemas.errors import Failure
from schemas.jobs import TERMINAL, Job, Limits
from services.orchestrator.service import serve as serve_orchestrator
from services.orchestrator.settings import Settings
from services.runner_sandbox.e2b_provider import E2bProvider
from tests.integration.runner.rig import FIX, PROJECT, SOURCE, Rig, make_kit, repository
from tests.support.e2b_double import e2b_double
from tests.support.eventually import eventually
from tests.support.sandboxes import QUICK, account
from tests.support.scripted_agent import ScriptedAgent

MEGABYTES, FILES, RUNS = 50, 2_000, 9
JOBS, SLOTS = 200, 20
NO_MODEL = "http://127.0.0.1:9/v1"
STAMP = "date +%s.%N"
CHECK = "grep -q 'a + b' shop/pricing.py"


class Timed:
    """A provider whose ``create`` is on a stop watch of its own."""

    def __init__(self, inner: SandboxProvider) -> None:
        self._inner, self.seconds = inner, 0.0
        self.kind, self.capabilities = inner.kind, inner.capabilities

    async def probe(self) -> Failure | None:
        return await self._inner.probe()

    async def create(self, spec: SandboxSpec) -> Sandbox:
        begin = time.perf_counter()
        try:
            return await self._inner.create(spec)
        finally:
            self.seconds = time.perf_counter() - begin

    async def find_by_tag(self, runner: str) -> list[Found]:
        return await self._inner.find_by_tag(runner)

    async def destroy(self, sandbox_id: str) -> None:
        await self._inner.destroy(sandbox_id)


def large() -> dict[str, str]:
    """A repository of MEGABYTES in FILES files of text that hardly shrinks."""
    rng = random.Random(1)
    size = MEGABYTES * 1_000_000 * 3 // 4 // FILES
    return SOURCE | {f"data/{n % 50}/{n}.txt": base64.encodebytes(rng.randbytes(size)).decode() for n in range(FILES)}


async def claimed_at(bus: NatsBus, job: str) -> datetime:
    """When the runner told that it has the attempt."""
    for stored in await bus.page(subjects.JOBS, subjects.job_attempt(PROJECT, job), after=0, limit=50):
        event = decode(stored.data, AttemptEvent)
        if event.kind == "claimed":
            return event.at
    raise AssertionError("the claim was not told")


async def started_at(at: Rig, job: str) -> datetime:
    """The agent's first line is the time."""
    for chunk in await at.chunks(job):
        for line in chunk.lines if chunk.stream == "agent" else ():
            return datetime.fromtimestamp(float(line), UTC)
    raise AssertionError("the agent said nothing")


async def overhead(name: str, bus: NatsBus, url: str, folder: Path, provider: SandboxProvider | None) -> None:
    """RUNS fixes one after the other; the first one clones."""
    links = await connect(url, service="runner"), await connect(url, service="orchestrator")
    kit = make_kit(links[0], folder / "data", ScriptedAgent(f"{STAMP}\n{FIX}"), NO_MODEL)
    timed = Timed(provider or kit.provider)
    kit = make_kit(links[0], folder / "data", kit.agent, NO_MODEL, provider=timed)
    at = Rig(bus, kit, await asyncio.to_thread(repository, folder / "repo", large()), folder / "data")
    stop = asyncio.Event()
    serving = [
        asyncio.create_task(serve_orchestrator(Settings(tick_seconds=0.2), stop, bus=links[1])),
        asyncio.create_task(serve_runner(kit, stop, slots=1)),
    ]
    ours: list[float] = []
    for number in range(RUNS):
        job = await at.start(f"{name}{number}", plan=at.plan(test_command=None), limits=Limits(wall_seconds=120))
        ended = await at.ended(job, within=300)
        assert ended.status == "success", ended.failure
        taken = (await started_at(at, job) - await claimed_at(bus, job)).total_seconds()
        ours.append(taken - timed.seconds)
    stop.set()
    await asyncio.gather(*serving)
    for link in links:
        await link.close()
    warm = ours[1:]
    tell(
        f"runner_overhead_{name}",
        megabytes=MEGABYTES,
        runs=len(warm),
        p50_s=round(percentile(warm, 0.5), 3),
        p95_s=round(percentile(warm, 0.95), 3),
        first_with_clone_s=round(ours[0], 3),
        load=round(os.getloadavg()[0], 1),
    )


@asynccontextmanager
async def at_e2b(folder: Path) -> AsyncIterator[SandboxProvider]:
    door = ModelDoor("http://127.0.0.1")
    await door.start()
    door.public_url = f"http://127.0.0.1:{door.port}"
    try:
        async with e2b_double(folder, doors={"127.0.0.1": door.port}) as double:
            yield E2bProvider(account(double), door, QUICK)
    finally:
        await door.close()


async def crowd(bus: NatsBus, url: str, folder: Path) -> None:
    """JOBS fixes at once; runner and orchestrator are processes of their own."""
    repo = await asyncio.to_thread(repository, folder / "repo", None)
    env = dict(os.environ) | {"NATS_URL": url, "PROJECT_CONCURRENCY": str(SLOTS), "LOG_LEVEL": "error"}
    here = [sys.executable, "-m", "benchmarks.bench_runner", "serve", url, str(folder / "data")]
    async with AsyncExitStack() as held:
        boss = await Child.start("orchestrator", [sys.executable, "-m", "services.orchestrator"], env=env)
        held.push_async_callback(boss.kill)
        runner = await Child.start("runner", here, env=env)
        held.push_async_callback(runner.kill)
        at = Rig(bus, make_kit(bus, folder / "data", ScriptedAgent(FIX), NO_MODEL), repo, folder / "data")
        for number in range(JOBS):
            await at.start(f"J{number}", plan=at.plan(test_command=CHECK), force=True)
        jobs = await eventually(lambda: _ended(at), within=1_800)
        _tell_crowd(jobs, _peak(runner.pid))


async def _ended(at: Rig) -> list[Job]:
    entries = await at.jobs.items(PROJECT)
    jobs = [entry.value for entry in entries if entry.value is not None]
    assert len([job for job in jobs if job.status in TERMINAL]) == JOBS
    return jobs


def _tell_crowd(jobs: list[Job], peak: int) -> None:
    spans = [(job.started_at, job.finished_at) for job in jobs]
    begins = [begin for begin, _ in spans if begin is not None]
    ends = [end for _, end in spans if end is not None]
    wall = (max(ends) - min(begins)).total_seconds()
    busy = sum((end - begin).total_seconds() for begin, end in zip(begins, ends, strict=True))
    tell(
        "runner_crowd",
        jobs=JOBS,
        slots=SLOTS,
        succeeded=sum(job.status == "success" for job in jobs),
        seconds=round(wall, 1),
        jobs_per_s=round(JOBS / wall, 2),
        of_the_slots=round(busy / (wall * SLOTS), 3),
        runner_peak_mb=round(peak / 1e6),
        load=round(os.getloadavg()[0], 1),
    )


def _peak(pid: int) -> int:
    """Bytes of the process's largest resident set (proc(5), VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


async def serve(url: str, data: str) -> None:
    """The runner's process of ``crowd``."""
    bus = await connect(url, service="runner_sandbox")
    kit = make_kit(bus, Path(data), ScriptedAgent(FIX), NO_MODEL)
    await serve_runner(kit, asyncio.Event(), slots=SLOTS)


async def run() -> None:
    wanted = sys.argv[1:] or ["overhead", "crowd"]
    async with broker() as server:
        bus = await connect(server.url, service="bench")
        with tempfile.TemporaryDirectory(prefix="bench-runner-") as name:
            folder = Path(name)
            if "overhead" in wanted:
                await overhead("local", bus, server.url, folder / "local", None)
                async with at_e2b(folder / "e2b") as provider:
                    await overhead("e2b_double", bus, server.url, folder / "remote", provider)
            if "crowd" in wanted:
                await crowd(bus, server.url, folder / "crowd")
        await bus.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        main(lambda: serve(sys.argv[2], sys.argv[3]))
    else:
        main(run)
