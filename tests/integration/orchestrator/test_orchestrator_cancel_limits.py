"""Cancelling at every step, and how many jobs may run at once."""

import pytest

from messaging.connection import NatsBus
from tests.integration.orchestrator.house import house
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer


async def test_a_job_without_a_holder_is_cancelled_at_once_and_its_task_is_refused(
    nats: NatsServer, bus: NatsBus
) -> None:
    async with house(nats.url) as home:
        await home.ask("J1")
        task = await home.runner.take()
        await home.cancel("J1", "changed my mind")
        job = await home.becomes("J1", "cancelled")
        assert job.failure is not None
        assert job.failure.reason == "changed my mind"
        assert await home.runner.answer("claim", task) == "lost"


async def test_a_job_that_waits_for_its_plan_is_cancelled_at_once(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await home.ask("J1", plan=None)
        await home.in_phase("J1", "planning")
        await home.cancel("J1")
        await home.becomes("J1", "cancelled")


@pytest.mark.parametrize("phase", ["checkout", "agent", "verifying", "gating"])
async def test_a_held_job_hears_of_the_cancel_with_its_heartbeat(nats: NatsServer, bus: NatsBus, phase: str) -> None:
    async with house(nats.url) as home:
        await home.ask("J1")
        task = await home.runner.take()
        await home.runner.answer("claim", task)
        assert await home.runner.answer("heartbeat", task, phase=phase) == "ok"
        await home.cancel("J1")

        async def heard() -> None:
            assert await home.runner.answer("heartbeat", task, phase=phase) == "cancel"

        await eventually(heard)
        assert await home.runner.answer("publish", task) == "cancel"
        assert await home.runner.answer("finish", task, outcome="cancelled") == "ok"
        await home.becomes("J1", "cancelled")


async def test_a_runner_that_ignores_the_cancel_is_cut_off(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url, cancel_seconds=0.5) as home:
        await home.ask("J1")
        task = await home.runner.take()
        await home.runner.answer("claim", task)
        await home.cancel("J1")
        await home.becomes("J1", "cancelled")
        assert await home.runner.answer("publish", task) == "lost"


async def test_a_cancel_after_the_right_to_publish_is_refused_and_told(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await home.ask("J1")
        task = await home.runner.take()
        await home.runner.answer("claim", task)
        assert await home.runner.answer("publish", task) == "ok"
        await home.cancel("J1")

        async def told() -> None:
            assert any("too late" in event.message for event in await home.history("J1"))

        await eventually(told)
        assert await home.runner.answer("finish", task, outcome="success", pr_url="http://forge/1") == "ok"
        await home.becomes("J1", "success")


async def test_a_project_never_holds_more_slots_than_its_limit(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url, project_concurrency=2) as home:
        for n in range(5):
            await home.ask(f"J{n}")
        first, second = await home.runner.take(), await home.runner.take()
        assert await home.runner.idle()
        await home.runner.succeed(first)
        third = await home.runner.take()
        assert await home.runner.idle()
        await home.runner.succeed(second)
        await home.runner.succeed(third)
        for _ in range(2):
            await home.runner.succeed(await home.runner.take())


async def test_a_runner_gets_no_more_than_its_slots_and_small_projects_do_not_wait_behind_large_ones(
    nats: NatsServer, bus: NatsBus
) -> None:
    async with house(nats.url, project_concurrency=10) as home:
        await home.runner.present(slots=2)
        for n in range(6):
            await home.ask(f"L{n}", project="large")
        held = [await home.runner.take(), await home.runner.take()]
        assert await home.runner.idle()
        await home.ask("S1", project="small")
        await eventually(lambda: home.record("S1", "small"))
        await home.runner.succeed(held.pop())
        assert (await home.runner.take()).project_id == "small"


async def test_a_second_job_of_a_cluster_is_refused_while_the_first_lives(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await home.ask("J1", cluster="c1")
        task = await home.runner.take()
        await home.ask("J2", cluster="c1")
        job = await home.becomes("J2", "cancelled")
        assert job.failure is not None
        assert "J1" in job.failure.reason
        await home.runner.succeed(task)
        await home.ask("J3", cluster="c1")
        assert (await home.runner.take()).job_id == "J3"


async def test_a_runner_with_a_problem_gets_nothing_and_the_job_fails_with_the_problem(
    nats: NatsServer, bus: NatsBus
) -> None:
    async with house(nats.url, runner_problem_seconds=0.5) as home:
        await home.runner.present(problem="Kilocode is missing: run make setup")
        await home.ask("J1", runner="sandbox_kilo")
        job = await home.becomes("J1", "failed", within=15)
        assert job.failure is not None
        assert "Kilocode is missing" in job.failure.reason
