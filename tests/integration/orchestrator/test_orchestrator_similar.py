"""Open work of the same kind, on a real broker."""

import asyncio
from typing import Any

from msgspec import structs

from messaging.connection import NatsBus
from schemas import subjects
from schemas.base import encode
from schemas.clusters import ClusterStatus
from schemas.jobs import Report
from schemas.plans import CandidateFile, Plan
from tests.integration.orchestrator.house import House, a_cluster, a_plan, house
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer


def plan_of(job: str, *paths: str) -> Plan:
    return structs.replace(a_plan(f"c-{job}", "default"), candidate_files=[CandidateFile(path=path) for path in paths])


async def say(bus: NatsBus, cluster: str, status: ClusterStatus) -> None:
    """As triage does."""
    found = structs.replace(a_cluster(cluster, "default"), status=status)
    await bus.publish(subjects.cluster("default", cluster), encode(found))


async def ended(home: House, jobs: list[str]) -> dict[str, list[str]]:
    """Jobs by status once all have records."""

    async def check() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for job in jobs:
            found.setdefault((await home.record(job)).status, []).append(job)
        return found

    return await eventually(check)


async def a_pull_request(home: House, job: str, *changed: str) -> None:
    """A job that went well and changed some files."""
    await home.ask(job, plan=plan_of(job, *changed))
    task = await home.runner.take()
    assert await home.runner.answer("claim", task) == "ok"
    assert await home.runner.answer("publish", task) == "ok"
    report = Report(changed_files=list(changed))
    assert await home.runner.answer("finish", task, outcome="success", pr_url="u", report=report) == "ok"


async def test_of_six_fixes_of_the_same_file_asked_for_at_once_one_goes_on(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await asyncio.gather(*(home.ask(f"J{n}", plan=plan_of(f"J{n}", "a.py")) for n in range(6)))
        found = await ended(home, [f"J{n}" for n in range(6)])
        assert {status: len(jobs) for status, jobs in found.items()} == {"pending": 1, "cancelled": 5}
        refused = await home.record(found["cancelled"][0])
    assert refused.failure is not None
    assert "a.py" in refused.failure.reason


async def test_a_refused_job_blocks_nobody_and_force_goes_on(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await home.ask("J1", plan=plan_of("J1", "a.py"))
        await home.becomes("J1", "pending")
        await home.ask("J2", plan=plan_of("J2", "a.py", "b.py"))
        await home.becomes("J2", "cancelled")
        await home.ask("J3", plan=plan_of("J3", "b.py"))
        await home.becomes("J3", "pending")
        await home.ask("J4", plan=plan_of("J4", "a.py"), force=True)
        await home.becomes("J4", "pending")


async def test_an_open_pull_request_counts_until_its_cluster_is_resolved(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await a_pull_request(home, "J1", "a.py")
        await say(bus, "c-J1", "pr_opened")
        await home.ask("J2", plan=plan_of("J2", "x.py", "a.py"))
        refused = await home.becomes("J2", "cancelled")
        await say(bus, "c-J1", "resolved")
        await home.ask("J3", plan=plan_of("J3", "x.py", "a.py"))
        await home.becomes("J3", "pending")
    assert refused.failure is not None
    assert "J1" in refused.failure.reason


async def test_a_repeated_fix_is_not_stopped_by_the_work_it_repeats(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await a_pull_request(home, "J1", "a.py")
        await say(bus, "c-J1", "pr_opened")
        wish: dict[str, Any] = {"cluster": "c-J1", "plan": plan_of("J1", "a.py")}
        await home.ask("J2", retry_of="J1", **wish)
        await home.becomes("J2", "pending")
        await home.cancel("J2")
        await home.becomes("J2", "cancelled")
        await home.ask("J3", **wish)
        refused = await home.becomes("J3", "cancelled")
    assert refused.failure is not None
    assert "this cluster has an open pull request" in refused.failure.reason


async def test_a_restarted_orchestrator_knows_the_open_work(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await a_pull_request(home, "J1", "a.py")
        await say(bus, "c-J1", "pr_opened")
    async with house(nats.url) as home:
        await home.ask("J2", plan=plan_of("J2", "a.py"))
        await home.becomes("J2", "cancelled")
