"""The whole job on ``aws_kilo``: real broker, real orchestrator, real runner, containers that really run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from messaging.connection import NatsBus, connect
from runner_core.lease import Timing
from runner_core.service import serve_runner
from schemas import subjects
from schemas.runners import RunnerInfo
from services.orchestrator.service import serve as serve_orchestrator
from services.orchestrator.settings import Settings as OrchestratorSettings
from services.runner_aws.service import compose, serve
from services.runner_aws.settings import Settings
from tests.integration.runner.rig import FIX, MODEL_KEY, Rig, repository
from tests.support.eventually import eventually
from tests.support.fargate import Aside, fargate
from tests.support.nats_server import NatsServer
from tests.support.scripted_agent import ScriptedAgent


@asynccontextmanager
async def at_work(
    nats: NatsServer, bus: NatsBus, tmp_path: Path, script: str, attempts: int = 1
) -> AsyncIterator[tuple[Rig, Aside]]:
    """CODING_AGENT_RUNNER=aws_kilo, with a script in place of the agent and nothing else replaced."""
    stop = asyncio.Event()
    runner_bus, boss_bus = (
        await connect(nats.url, service="runner_aws"),
        await connect(nats.url, service="orchestrator"),
    )
    settings = Settings(data_dir=str(tmp_path / "data"), openai_base_url="http://127.0.0.1:9/v1", openai_model="m")
    settings = msgspec.structs.replace(settings, openai_api_key=MODEL_KEY)
    async with fargate(tmp_path / "aws") as aside:
        kit = replace(
            compose(settings, runner_bus, aside.provider), agent=ScriptedAgent(script), timing=Timing(beat=0.5)
        )
        boss_settings = OrchestratorSettings(coding_agent_runner="aws_kilo", max_attempts=attempts, tick_seconds=0.2)
        boss = asyncio.create_task(serve_orchestrator(boss_settings, stop, bus=boss_bus))
        runner = asyncio.create_task(serve_runner(kit, stop, slots=1))
        try:
            yield Rig(bus, kit, repository(tmp_path / "repo"), tmp_path / "data"), aside
        finally:
            stop.set()
            await asyncio.wait({boss, runner}, timeout=20)
            await runner_bus.close()
            await boss_bus.close()
            for task in (boss, runner):
                assert task.done(), task
                assert task.exception() is None, task


async def test_with_the_aws_runner_as_the_default_a_fix_becomes_a_pull_request(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with at_work(nats, bus, tmp_path, f"echo working; {FIX}") as (rig, aside):
        job = await rig.fixed()
        log = await rig.log("JOB1")
        assert (job.status, job.runner) == ("success", "aws_kilo"), log
        assert "verification: reproduced" in log
        assert "working" in log.splitlines()
        assert len(rig.branches()) == 2
        assert [run.told["tags"][3]["value"] for run in aside.double.runs.values()] == ["agent", "check", "check"]
        assert (aside.double.live(), aside.double.objects()) == ([], [])
        assert MODEL_KEY not in str(aside.double.calls) + log


async def test_a_cancelled_job_stops_its_task_and_empties_its_mailbox(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with at_work(nats, bus, tmp_path, f"{FIX}; echo under way; sleep 600") as (rig, aside):
        await rig.start()

        async def started() -> None:
            assert "under way" in await rig.log("JOB1")

        await eventually(started, 30.0)
        await rig.cancel("JOB1")
        job = await rig.ended("JOB1")
        assert job.status == "cancelled"
        await eventually(lambda: not aside.double.live() and not aside.double.objects(), 10.0)
        assert rig.branches() == ["main"]


async def test_a_spot_stop_under_the_agent_is_tried_again_and_the_log_says_why(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    script = f"echo under way; {FIX}; sleep 3"
    async with at_work(nats, bus, tmp_path, script, attempts=2) as (rig, aside):
        await rig.start()

        async def started() -> None:
            assert "under way" in await rig.log("JOB1")

        await eventually(started, 30.0)
        (run,) = aside.double.live()
        aside.double.end(run, "SpotInterruption", "Your Spot Task was interrupted.", 143)
        job = await rig.ended("JOB1")
        log = await rig.log("JOB1")
        assert (job.status, job.attempt) == ("success", 2), log
        assert "AWS took the Spot capacity of the task back." in log
        assert "info: ready" in log, "the container's own log, from CloudWatch"


async def test_a_runner_without_settings_tells_everybody_which_are_missing(nats: NatsServer, bus: NatsBus) -> None:
    stop = asyncio.Event()
    settings = Settings(nats_url=nats.url, openai_base_url="http://127.0.0.1:9/v1", openai_model="m")
    running = asyncio.create_task(serve(settings, stop))
    state = bus.state(subjects.KV_RUNNERS, RunnerInfo)

    async def told() -> None:
        infos = [entry.value for entry in await state.items("aws_kilo") if entry.value]
        assert infos
        assert infos[0].sandbox == "fargate"
        assert (infos[0].problem or "").startswith(
            "The AWS runner is not set up. Set ECS_CLUSTER_NAME, ECS_TASK_DEFINITION, ECS_SUBNET_IDS, "
            "ECS_SECURITY_GROUP_IDS, ECS_MAILBOX_BUCKET, MODEL_PROXY_PUBLIC_URL."
        )

    try:
        await eventually(told, 10.0)
    finally:
        stop.set()
        await running
