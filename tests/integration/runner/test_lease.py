"""Cancelled, stopped, forgotten, handed out twice: who holds the attempt decides what may still be written."""

import asyncio
from pathlib import Path

from messaging.connection import NatsBus, connect
from runner_core.lease import Timing
from runner_core.service import serve_runner
from schemas import subjects
from schemas.attempts import RunnerTask
from schemas.base import encode
from tests.integration.runner.rig import FIX, RUNNER, Rig, make_kit, rig
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer
from tests.support.scripted_agent import ScriptedAgent

NO_MODEL = "http://127.0.0.1:9/v1"


async def _printed(at: Rig, word: str) -> None:
    async def check() -> bool:
        return word in await at.log("JOB1")

    await eventually(check, 30.0)


async def test_a_cancel_stops_the_agent_keeps_its_work_and_publishes_nothing(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with rig(bus, nats.url, tmp_path, ScriptedAgent(f"{FIX}; echo half way; sleep 600"), NO_MODEL) as at:
        await at.start()
        await _printed(at, "half way")
        await at.cancel("JOB1")
        job = await at.ended("JOB1", within=20.0)
        assert job.status == "cancelled"
        assert job.bundle_key is not None
        assert b"a + b" in (await bus.objects().get(job.patch_key or "") or b"")
        assert at.branches() == ["main"]
        await at.nothing_left()


async def test_a_stopped_runner_hands_its_work_to_the_next_attempt(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    first = ScriptedAgent(f"{FIX}; echo half way; sleep 600")
    async with rig(bus, nats.url, tmp_path, first, NO_MODEL, attempts=2) as at:
        await at.start()
        await _printed(at, "half way")
        at.stop_runner.set()
        await asyncio.wait({at.runner}, timeout=10.0)
        assert at.runner.done()
        await at.nothing_left()
        job = await at.job("JOB1")
        assert [failure.reason for failure in job.history] == ["The runner was stopped."]
        assert job.bundle_key == "bundles/p/JOB1/1.bundle"
        second_bus, stop = await connect(nats.url, service="runner_sandbox"), asyncio.Event()
        second = make_kit(second_bus, tmp_path / "data", ScriptedAgent("grep 'a + b' shop/pricing.py"), NO_MODEL)
        other = asyncio.create_task(serve_runner(second, stop, slots=1))
        job = await at.ended("JOB1")
        stop.set()
        await other
        await second_bus.close()
        assert job.status == "success", (job.failure, await at.log("JOB1"))
        assert "going on from the work that attempt 1 saved" in await at.log("JOB1")
        assert at.branches() == ["main", "soulcaster/job1"]


async def test_a_runner_that_hears_nothing_ends_its_sandbox_and_writes_nothing_more(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    """The orchestrator goes away and another one comes back only after the lease is over."""
    agent = ScriptedAgent(f"{FIX}; echo half way; sleep 600")
    timing = Timing(beat=0.2, patience=2.0, answer=0.5, pause=0.1)
    async with rig(bus, nats.url, tmp_path, agent, NO_MODEL, timing=timing) as at:
        await at.start()
        await _printed(at, "half way")
        at.stop_orchestrator.set()
        await asyncio.wait({at.orchestrator}, timeout=10.0)
        await at.nothing_left()
        said = await at.log("JOB1")
        job = await at.job("JOB1")
        assert job.status == "running"
        assert job.patch_key is None
        assert "failed" not in said


async def test_an_attempt_handed_out_twice_runs_once(nats: NatsServer, bus: NatsBus, tmp_path: Path) -> None:
    async with rig(bus, nats.url, tmp_path, ScriptedAgent(f"{FIX}; echo once; sleep 3"), NO_MODEL, slots=2) as at:
        await at.start()
        await _printed(at, "once")
        job = await at.job("JOB1")
        assert job.plan is not None
        task = RunnerTask(
            job_id="JOB1",
            project_id="p",
            cluster_id=job.cluster_id,
            runner=RUNNER,
            attempt=1,
            cluster=job.request.cluster,
            plan=job.plan,
            repo_url=str(at.repo),
            base_branch="main",
            base_commit=job.plan.base_commit,
            branch="soulcaster/job1",
            limits=job.request.limits,
            deadline=job.deadline,
            created_at=job.created_at,
        )
        await bus.publish(subjects.runner_task(RUNNER, "p", "JOB1"), encode(task), msg_id="again")
        job = await at.ended("JOB1")
        assert job.status == "success", job.failure
        assert (await at.log("JOB1")).count("\nonce\n") == 1
        assert await bus.count(subjects.RUNNERS) == 0
        await at.nothing_left()
