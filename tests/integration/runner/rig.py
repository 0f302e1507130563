"""A whole runner at work: real broker, real orchestrator, real sandboxes, a repository, and a kit made for the test."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from messaging.connection import NatsBus, connect
from messaging.ports import CaughtUp
from runner_core.forges import forges
from runner_core.kit import Kit, Patience
from runner_core.lease import Timing
from runner_core.model_proxy import Endpoint
from runner_core.protocols import Agent
from runner_core.publisher import Publisher
from runner_core.service import serve_runner
from runner_core.source import Source
from schemas import subjects
from schemas.base import decode, encode
from schemas.clusters import Cluster, Evidence
from schemas.jobs import TERMINAL, CancelRequest, FixRequest, Job, Limits
from schemas.logs import LogChunk
from schemas.plans import CandidateFile, Plan
from schemas.runners import RunnerInfo
from services.orchestrator.service import serve as serve_orchestrator
from services.orchestrator.settings import Settings as OrchestratorSettings
from services.runner_sandbox import toolchains
from services.runner_sandbox.local import LocalProvider
from tests.support.eventually import eventually

PROJECT, RUNNER = "p", "sandbox_kilo"
MODEL_KEY = "sk-the-real-key-0123456789"
TEST = "python3 -m unittest -q"
SOURCE = {
    "shop/__init__.py": "",
    "shop/pricing.py": "def total(a, b):\n    return a - b\n",
    "tests/__init__.py": "",
    "tests/test_pricing.py": (
        "import unittest\nfrom shop.pricing import total\n\n\nclass Total(unittest.TestCase):\n"
        "    def test_adds(self):\n        self.assertEqual(total(2, 3), 5)\n"
    ),
}
FIX = "sed -i 's/a - b/a + b/' shop/pricing.py"


def repository(folder: Path, files: dict[str, str] | None = None) -> Path:
    """A bare repository with one commit on main."""
    work, bare = folder / "work", folder / "shop.git"
    for name, text in (files or SOURCE).items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    git(work, "init", "-q", "-b", "main")
    git(work, "add", "-A")
    git(work, "-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-q", "-m", "A shop")
    git(work, "clone", "-q", "--bare", str(work), str(bare))
    return bare


def git(folder: Path, *arguments: str) -> str:
    environ = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Rig:
    """Starts fixes and tells what came of them."""

    def __init__(self, bus: NatsBus, kit: Kit, repo: Path, data: Path) -> None:
        self.bus, self.kit, self.repo, self.data = bus, kit, repo, data
        self.jobs = bus.state(subjects.KV_JOBS, Job)
        self.stop_runner, self.stop_orchestrator = asyncio.Event(), asyncio.Event()
        self.runner: asyncio.Task[None]
        self.orchestrator: asyncio.Task[None]

    def plan(self, **changes: Any) -> Plan:
        now = datetime.now(UTC)
        values: dict[str, Any] = {
            "id": "plan-1", "project_id": PROJECT, "cluster_id": "c1", "version": 1, "title": "Totals are wrong",
            "description": "total(2, 3) gives -1", "candidate_files": [CandidateFile(path="shop/pricing.py")],
            "steps": ["Add the two numbers"], "test_command": TEST, "nearest_tests": ["tests/test_pricing.py"],
            "repo_url": str(self.repo), "base_branch": "main", "base_commit": git(self.repo, "rev-parse", "main"),
            "created_at": now, "updated_at": now,
        }  # fmt: skip
        return Plan(**values | changes)

    async def start(self, job: str = "JOB1", *, plan: Plan | None = None, **changes: Any) -> str:
        """Ask for a fix; the job's id."""
        now = datetime.now(UTC)
        evidence = Evidence(feedback_id="f1", source="manual", title="Wrong total", body="It says -1")
        cluster = Cluster(
            id=f"c-{job}", project_id=PROJECT, revision=1, title="Totals are wrong", count=1, evidence=[evidence],
            created_at=now, updated_at=now,
        )  # fmt: skip
        plan = plan or self.plan()
        values: dict[str, Any] = {"limits": Limits(wall_seconds=60), "created_at": now} | changes
        request = FixRequest(
            job_id=job,
            project_id=PROJECT,
            cluster_id=cluster.id,
            cluster=cluster,
            repo_url=plan.repo_url,
            plan=plan,
            **values,
        )
        await self.bus.publish(subjects.fix_request(PROJECT, cluster.id), encode(request), msg_id=job)
        return job

    async def cancel(self, job: str) -> None:
        request = CancelRequest(job_id=job, project_id=PROJECT, reason="not wanted", created_at=datetime.now(UTC))
        await self.bus.publish(subjects.cancel_request(PROJECT, job), encode(request))

    async def job(self, job: str) -> Job:
        entry = await self.jobs.get(subjects.key(PROJECT, job))
        assert entry is not None, "no record yet"
        assert entry.value is not None
        return entry.value

    async def ended(self, job: str, within: float = 110.0) -> Job:
        """The record once it is terminal."""

        async def check() -> Job:
            record = await self.job(job)
            assert record.status in TERMINAL, f"{record.status} in {record.phase}, {record.history}"
            return record

        return await eventually(check, within)

    async def in_phase(self, job: str, phase: str, within: float = 30.0) -> None:
        async def check() -> None:
            record = await self.job(job)
            assert record.phase == phase, f"{record.status} in {record.phase}: {record.failure} {record.history}"

        await eventually(check, within)

    async def fixed(self, job: str = "JOB1", **changes: Any) -> Job:
        return await self.ended(await self.start(job, **changes))

    async def chunks(self, job: str) -> list[LogChunk]:
        found: list[LogChunk] = []
        async with aclosing(self.bus.follow(subjects.LOGS, [subjects.logs(PROJECT, job)])) as items:
            async for item in items:
                if isinstance(item, CaughtUp):
                    break
                found.append(decode(item.data, LogChunk))
        return found

    async def log(self, job: str) -> str:
        return "\n".join(line for chunk in await self.chunks(job) for line in chunk.lines)

    def branches(self) -> list[str]:
        return git(self.repo, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()

    async def nothing_left(self) -> None:
        """No sandbox, no attempt's folder, no process in one of them, within moments of the job's end."""

        def check() -> None:
            left = [*self.folder("runs"), *self.folder("attempts")]
            assert not left, left

        await eventually(check, 10.0)
        assert not _processes(str(self.data)), _processes(str(self.data))

    def folder(self, name: str) -> list[Path]:
        return sorted((self.data / name).glob("*"))

    async def info(self) -> RunnerInfo:
        entry = await self.bus.state(subjects.KV_RUNNERS, RunnerInfo).get(subjects.key(RUNNER, self.kit.instance))
        assert entry is not None
        assert entry.value is not None
        return entry.value


def make_kit(bus: NatsBus, data: Path, agent: Agent, model_url: str | None, **changes: Any) -> Kit:
    kit = Kit(
        bus=bus,
        runner=RUNNER,
        instance="one",
        provider=LocalProvider(data / "runs", toolchains.detect()),
        agent=agent,
        source=Source(data / "mirrors"),
        publisher=Publisher(forges(bus.objects(), "http://127.0.0.1:8080", "http://127.0.0.1:9")),
        folder=data / "attempts",
        endpoint=Endpoint(model_url, MODEL_KEY, "scripted-1", patience=2.0, tries=2, first_delay=0.05)
        if model_url
        else None,
        timing=Timing(beat=0.5),
        patience=Patience(stall=250.0, reserve=5.0, save=10.0, save_on_stop=4.0),
    )
    return replace(kit, **changes)


@asynccontextmanager
async def rig(
    bus: NatsBus,
    url: str,
    tmp_path: Path,
    agent: Agent,
    model_url: str | None,
    *,
    attempts: int = 1,
    slots: int = 1,
    files: dict[str, str] | None = None,
    publish_seconds: float = 300.0,
    **changes: Any,
) -> AsyncIterator[Rig]:
    """An orchestrator and a runner at work until the block ends."""
    runner_bus, boss_bus = await connect(url, service="runner"), await connect(url, service="orchestrator")
    kit = make_kit(runner_bus, tmp_path / "data", agent, model_url, **changes)
    at = Rig(bus, kit, repository(tmp_path / "repo", files), tmp_path / "data")
    settings = OrchestratorSettings(
        max_attempts=attempts, tick_seconds=0.2, runner_problem_seconds=1.0, publish_seconds=publish_seconds
    )
    at.orchestrator = asyncio.create_task(serve_orchestrator(settings, at.stop_orchestrator, bus=boss_bus))
    at.runner = asyncio.create_task(serve_runner(kit, at.stop_runner, slots=slots))
    try:
        yield at
    finally:
        at.stop_runner.set()
        await asyncio.wait({at.runner}, timeout=20)
        at.stop_orchestrator.set()
        await asyncio.wait({at.orchestrator}, timeout=20)
        await runner_bus.close()
        await boss_bus.close()
        for task in (at.orchestrator, at.runner):
            assert task.done(), task
            assert task.exception() is None, task


def _processes(folder: str) -> list[str]:
    """Command lines of live processes that name a folder below ``folder``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if f"{folder}/runs" in line:
            found.append(line[:300])
    return found
