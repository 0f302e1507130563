"""One fix from request to record, on a real broker, with a scripted runner."""

import itertools

from messaging.connection import NatsBus
from schemas import subjects
from schemas.base import decode
from schemas.errors import Failure
from schemas.plans import PlanOutcome, PlanRecord, PlanRequest
from tests.integration.orchestrator.house import a_plan, house, now
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer


async def test_a_fix_goes_from_request_to_success_and_every_step_is_told_once(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await home.ask("J1")
        task = await home.runner.take()
        assert (task.attempt, task.base_commit, task.branch) == (1, "a" * 40, "soulcaster/j1")
        await home.runner.succeed(task)
        record = await home.becomes("J1", "success")
        assert (record.pr_url, record.instance, record.attempt) == ("http://forge/J1", "one", 1)
        events = await home.told("J1")
    assert [event.n for event in events] == list(range(1, len(events) + 1))
    assert [(event.status, event.phase) for event in events[-5:]] == [
        ("pending", "provisioning"),
        ("running", "provisioning"),
        ("running", "agent"),
        ("running", "publishing"),
        ("success", "done"),
    ]


async def test_a_cluster_without_a_plan_is_planned_first(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await home.ask("J1", plan=None)
        [delivery] = await bus.fetch("planner")
        asked = decode(delivery.data, PlanRequest)
        assert (asked.job_id, asked.action) == ("J1", "generate")
        await delivery.ack()
        done = PlanOutcome(request_id=asked.id, status="done", version=1, at=now())
        record = PlanRecord(
            project_id="default",
            cluster_id="c-J1",
            current=a_plan("c-J1", "default"),
            outcomes=[done],
            updated_at=now(),
        )
        await bus.state(subjects.KV_PLANS, PlanRecord).put("default.c-J1", record)
        task = await home.runner.take()
        assert task.plan.id == "c-J1-v1"


async def test_a_plan_that_cannot_be_made_fails_the_job_with_the_planners_reason(
    nats: NatsServer, bus: NatsBus
) -> None:
    async with house(nats.url) as home:
        await home.ask("J1", plan=None)
        planning = await home.in_phase("J1", "planning")
        why = Failure(kind="repository", reason="the repository does not clone", action="Check the address.")
        outcome = PlanOutcome(request_id=planning.plan_request_id or "", status="failed", failure=why, at=now())
        record = PlanRecord(project_id="default", cluster_id="c-J1", outcomes=[outcome], updated_at=now())
        await bus.state(subjects.KV_PLANS, PlanRecord).put("default.c-J1", record)
        job = await home.becomes("J1", "failed")
    assert job.failure is not None
    assert (job.failure.kind, job.failure.reason) == ("planning", "the repository does not clone")


async def test_a_job_waits_for_a_runner_with_a_told_reason_and_goes_when_one_comes(
    nats: NatsServer, bus: NatsBus
) -> None:
    async with house(nats.url) as home:
        await home.ask("J1", runner="aws_kilo")

        async def told() -> None:
            messages = [event.message for event in await home.history("J1")]
            assert "no runner called aws_kilo is alive" in messages

        await eventually(told, within=10)
        aws = type(home.runner)(bus, "task-1", "aws_kilo")
        await aws.present()
        assert (await aws.take()).runner == "aws_kilo"


async def test_a_runner_nobody_has_heard_of_fails_the_job_at_once(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await home.ask("J1", runner="nobody")
        job = await home.becomes("J1", "failed")
    assert job.failure is not None
    assert job.failure.kind == "configuration"


async def test_a_third_runner_is_known_as_soon_as_it_shows_itself(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        third = type(home.runner)(bus, "x", "my_own")
        await third.present()
        asked = itertools.count(1)

        async def known() -> None:
            job = await home.ask(f"J{next(asked)}", runner="my_own")
            assert (await eventually(lambda: home.record(job))).status == "pending"

        await eventually(known)
        assert (await third.take()).runner == "my_own"
