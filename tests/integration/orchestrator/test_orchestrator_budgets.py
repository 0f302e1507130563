"""A project's budget as the orchestrator holds it: told with every answer, refused when spent, kept over a restart."""

from datetime import UTC, datetime, timedelta

from messaging.connection import NatsBus
from schemas import subjects
from schemas.jobs import Usage
from schemas.plans import PlanRecord
from schemas.projects import Project
from schemas.spending import Spend
from tests.integration.orchestrator.house import House, house
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer


async def limit(bus: NatsBus, **budget: float) -> None:
    """As the gateway stores it."""
    project = Project(
        id="default", name="P", user_id="u", created_at=datetime.now(UTC), settings={"fix": {"budget": budget}}
    )
    await bus.state(subjects.KV_PROJECTS, Project).put(subjects.key("project", "default"), project)


def used(tokens: int, usd: float = 0.0) -> Usage:
    return Usage(requests=1, input_tokens=tokens, cost_usd=usd)


async def spend(home: House, job: str, tokens: int) -> None:
    """A job that uses so much and succeeds."""
    await home.ask(job)
    task = await home.runner.take()
    await home.runner.answer("claim", task)
    await home.runner.answer("heartbeat", task, phase="agent", usage=used(tokens))
    await home.runner.answer("publish", task)
    await home.runner.answer("finish", task, outcome="success", pr_url="http://forge/1", usage=used(tokens))


async def refused(home: House, job: str) -> None:
    await home.ask(job)
    ended = await home.becomes(job, "failed")
    assert ended.failure is not None
    midnight = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d")
    assert (ended.failure.kind, f"refills on {midnight} 00:00 UTC" in ended.failure.reason) == ("budget", True)
    assert ended.attempt == 0


async def test_every_answer_tells_what_the_project_has_left_over_all_its_jobs(nats: NatsServer, bus: NatsBus) -> None:
    await limit(bus, tokens_day=1_000, usd_month=2.0)
    async with house(nats.url) as home:
        await home.ask("J1")
        await home.ask("J2")
        one, two = await home.runner.take(), await home.runner.take()
        claimed = await home.runner.call("claim", one)
        assert claimed.left is not None
        assert (claimed.left.tokens, claimed.left.usd) == (1_000, 2.0)
        await home.runner.call("heartbeat", one, usage=used(300, 0.5))
        told = (await home.runner.call("claim", two)).left
        assert told is not None
        assert (told.tokens, told.usd) == (700, 1.5)
        told = (await home.runner.call("heartbeat", one, usage=used(1_200, 0.5))).left
        assert told is not None
        assert told.tokens == 0


async def test_a_spent_budget_starts_nothing_and_is_still_known_after_a_restart(nats: NatsServer, bus: NatsBus) -> None:
    await limit(bus, tokens_day=100)
    async with house(nats.url) as home:
        await spend(home, "J1", 150)
        await refused(home, "J2")
    async with house(nats.url) as again:
        await refused(again, "J3")
        await limit(bus, tokens_day=1_000)

        async def started() -> None:
            job = await again.ask(f"J{datetime.now(UTC).microsecond}")
            await again.in_phase(job, "provisioning", within=1)

        await eventually(started, 20)


async def test_what_plans_cost_is_part_of_the_budget_from_the_first_request_on(nats: NatsServer, bus: NatsBus) -> None:
    await limit(bus, tokens_day=100)
    day = datetime.now(UTC).date().isoformat()
    paid = PlanRecord(
        project_id="default", cluster_id="c9", spending={day: Spend(tokens=100)}, updated_at=datetime.now(UTC)
    )
    await bus.state(subjects.KV_PLANS, PlanRecord).put(subjects.key("default", "c9"), paid)
    async with house(nats.url) as home:
        await refused(home, "J1")


async def test_a_job_that_waits_for_a_slot_is_not_handed_out_any_more(nats: NatsServer, bus: NatsBus) -> None:
    await limit(bus, tokens_day=100)
    async with house(nats.url, project_concurrency=1) as home:
        await home.ask("J1")
        task = await home.runner.take()
        await home.ask("J2")
        await home.in_phase("J2", "queued")
        await home.runner.answer("claim", task)
        await home.runner.answer("finish", task, outcome="failed", usage=used(100))
        ended = await home.becomes("J2", "failed")
        assert ended.failure is not None
        assert ended.failure.kind == "budget"
