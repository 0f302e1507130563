"""An orchestrator (one or several, as tasks or as processes) on a real broker, a scripted runner, and requests."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from messaging.connection import NatsBus, connect
from messaging.ports import Delivery
from messaging.topology import runner_consumer
from runtime.processes import Child
from schemas import subjects
from schemas.attempts import AttemptCall, AttemptReply, RunnerTask
from schemas.base import decode, encode
from schemas.clusters import Cluster
from schemas.jobs import TERMINAL, CancelRequest, FixRequest, Job, JobEvent
from schemas.plans import Plan
from schemas.runners import RunnerInfo
from services.orchestrator.service import serve
from services.orchestrator.settings import Settings
from tests.support.eventually import eventually

RUNNER = "sandbox_kilo"


def now() -> datetime:
    return datetime.now(UTC)


def a_cluster(cluster: str, project: str) -> Cluster:
    return Cluster(
        id=cluster, project_id=project, revision=1, title="It breaks", count=1, created_at=now(), updated_at=now()
    )


def a_plan(cluster: str, project: str, version: int = 1) -> Plan:
    return Plan(
        id=f"{cluster}-v{version}",
        project_id=project,
        cluster_id=cluster,
        version=version,
        title="Fix it",
        repo_url="file:///srv/repo",
        base_branch="main",
        base_commit="a" * 40,
        created_at=now(),
        updated_at=now(),
    )


class Runner:
    """A runner that does only what a test tells it to."""

    def __init__(self, bus: NatsBus, instance: str = "one", name: str = RUNNER) -> None:
        self.bus, self.instance, self.name = bus, instance, name
        self.delivery: Delivery | None = None

    async def present(self, slots: int = 4, problem: str | None = None) -> None:
        """Write the presence entry once; it counts for 30 s."""
        info = RunnerInfo(
            runner=self.name,
            instance=self.instance,
            sandbox="local",
            agent="scripted",
            slots=slots,
            problem=problem,
            started_at=now(),
            seen_at=now(),
        )
        await self.bus.ensure_consumer(runner_consumer(self.name))
        await self.bus.state(subjects.KV_RUNNERS, RunnerInfo).put(subjects.key(self.name, self.instance), info)

    async def take(self, within: float = 8.0, *, ack: bool = True) -> RunnerTask:
        """The next task handed to this runner's name."""
        found = await self.bus.fetch(runner_consumer(self.name), expires=within)
        assert found, f"no task within {within} s"
        self.delivery = found[0]
        if ack:
            await self.delivery.ack()
        return decode(self.delivery.data, RunnerTask)

    async def idle(self, within: float = 0.5) -> bool:
        """Whether nothing is handed out for a while."""
        return not await self.bus.fetch(runner_consumer(self.name), expires=within)

    async def call(self, operation: str, task: RunnerTask, **changes: Any) -> AttemptReply:
        call = AttemptCall(
            job_id=task.job_id,
            project_id=task.project_id,
            runner=self.name,
            instance=self.instance,
            attempt=task.attempt,
        )
        subject = subjects.attempt_call(operation, self.name, task.job_id)
        data = await self.bus.request(subject, encode(structs.replace(call, **changes)), timeout=10)
        return decode(data, AttemptReply)

    async def answer(self, operation: str, task: RunnerTask, **changes: Any) -> str:
        return (await self.call(operation, task, **changes)).answer

    async def succeed(self, task: RunnerTask) -> None:
        """A whole attempt that goes well."""
        assert await self.answer("claim", task) == "ok"
        assert await self.answer("heartbeat", task, phase="agent") == "ok"
        assert await self.answer("publish", task) == "ok"
        assert await self.answer("finish", task, outcome="success", pr_url=f"http://forge/{task.job_id}") == "ok"


class House:
    """One broker, some orchestrators."""

    def __init__(self, bus: NatsBus, url: str) -> None:
        self.bus, self.url = bus, url
        self.jobs = bus.state(subjects.KV_JOBS, Job)
        self.runner = Runner(bus)

    async def ask(self, job: str, *, project: str = "default", cluster: str | None = None, **changes: Any) -> str:
        """Publish a fix request as the gateway does."""
        cluster = cluster or f"c-{job}"
        request = FixRequest(
            job_id=job,
            project_id=project,
            cluster_id=cluster,
            cluster=a_cluster(cluster, project),
            repo_url="file:///srv/repo",
            plan=a_plan(cluster, project),
            created_at=now(),
        )
        request = structs.replace(request, **changes)
        await self.bus.publish(subjects.fix_request(project, cluster), encode(request), msg_id=job)
        return job

    async def cancel(self, job: str, reason: str = "stop", project: str = "default") -> None:
        request = CancelRequest(job_id=job, project_id=project, reason=reason, created_at=now())
        await self.bus.publish(subjects.cancel_request(project, job), encode(request))

    async def record(self, job: str, project: str = "default") -> Job:
        entry = await self.jobs.get(subjects.key(project, job))
        assert entry is not None, f"no record of {job}"
        assert entry.value is not None
        return entry.value

    async def becomes(self, job: str, status: str, within: float = 10.0, project: str = "default") -> Job:
        """The record once it has this status."""

        async def check() -> Job:
            record = await self.record(job, project)
            assert record.status == status, f"{record.status}/{record.phase}: {record.failure}"
            return record

        return await eventually(check, within=within)

    async def in_phase(self, job: str, phase: str, within: float = 10.0) -> Job:
        async def check() -> Job:
            record = await self.record(job)
            assert record.phase == phase, f"{record.status}/{record.phase}: {record.failure}"
            return record

        return await eventually(check, within=within)

    async def history(self, job: str, project: str = "default") -> list[JobEvent]:
        """The status events stored so far."""
        stored = await self.bus.page(subjects.JOBS, subjects.job_status(project, job))
        return [decode(message.data, JobEvent) for message in stored]

    async def told(self, job: str, project: str = "default") -> list[JobEvent]:
        """The status events once the terminal one is stored and the outbox is known to be empty."""

        async def check() -> list[JobEvent]:
            record, events = await self.record(job, project), await self.history(job, project)
            assert record.status in TERMINAL
            assert not record.outbox
            assert events
            assert events[-1].n == record.event_seq
            return events

        return await eventually(check, within=15)


@asynccontextmanager
async def orchestrator(url: str, **changes: Any) -> AsyncIterator[None]:
    """One replica as a task with a connection of its own; stopped in order at the end."""
    settings = Settings(nats_url=url, **{"tick_seconds": 0.1, **changes})
    stop = asyncio.Event()
    task = asyncio.create_task(serve(settings, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 15)


@asynccontextmanager
async def crashing_orchestrator(url: str, **changes: Any) -> AsyncIterator["asyncio.Task[None]"]:
    """One replica that the test ends by cancelling the task: nothing is finished, nothing is handed back in order."""
    settings = Settings(nats_url=url, **{"tick_seconds": 0.1, **changes})
    task = asyncio.create_task(serve(settings, asyncio.Event()))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def process(url: str, **environ: str) -> Child:
    """One replica as a process of its own, for signals that cannot be caught."""
    env = {**os.environ, "NATS_URL": url, "TICK_SECONDS": "0.1", "LOG_LEVEL": "warning", **environ}
    return await Child.start("orchestrator", [sys.executable, "-m", "services.orchestrator"], env=env)


@asynccontextmanager
async def house(url: str, replicas: int = 1, **changes: Any) -> AsyncIterator[House]:
    """A house with its orchestrators running and one live runner."""
    async with AsyncExitStack() as stack:
        bus = await connect(url, service="test")
        stack.push_async_callback(bus.close)
        for _ in range(replicas):
            await stack.enter_async_context(orchestrator(url, **changes))
        built = House(bus, url)
        await built.runner.present()
        yield built
