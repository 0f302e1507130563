"""Crashes, zombies, replicas and lost brokers: jobs end all the same, and nobody publishes twice."""

import asyncio
from datetime import timedelta

from messaging.connection import NatsBus, connect
from schemas import subjects
from schemas.attempts import AttemptCall, RunnerTask
from schemas.base import encode
from schemas.jobs import FixRequest, Job
from services.orchestrator.model import Rules, decide
from services.orchestrator.model.events import Claim, Create
from tests.integration.orchestrator.house import (
    RUNNER,
    House,
    Runner,
    a_cluster,
    a_plan,
    crashing_orchestrator,
    house,
    now,
    orchestrator,
    process,
)
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer


def decided(job: str, *, claimed: bool = False) -> Job:
    """The record as an orchestrator writes it an instant before it publishes anything."""
    request = FixRequest(
        job_id=job,
        project_id="default",
        cluster_id=f"c-{job}",
        cluster=a_cluster(f"c-{job}", "default"),
        repo_url="file:///srv/repo",
        plan=a_plan(f"c-{job}", "default"),
        created_at=now(),
    )
    record = decide(None, Create(request, slot=True), now(), Rules()).job
    assert record is not None
    if claimed:
        call = AttemptCall(job_id=job, project_id="default", runner=RUNNER, instance="dead", attempt=1)
        record = decide(record, Claim(call), now() - timedelta(seconds=60), Rules()).job
        assert record is not None
    return record


async def test_a_crash_between_the_write_and_the_publish_loses_no_message(nats: NatsServer, bus: NatsBus) -> None:
    await bus.state(subjects.KV_JOBS, Job).create("default.J1", decided("J1"))
    async with house(nats.url) as home:
        task = await home.runner.take()
        assert (task.job_id, task.attempt) == ("J1", 1)
        await home.runner.succeed(task)
        events = await home.told("J1")
    assert [event.n for event in events] == list(range(1, len(events) + 1))


async def test_another_replica_publishes_what_a_dead_one_left_behind(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await bus.state(subjects.KV_JOBS, Job).create("default.J1", decided("J1"))
        assert (await home.runner.take(within=15)).job_id == "J1"


async def test_a_claimed_job_whose_runner_died_while_no_orchestrator_was_up_is_retried(
    nats: NatsServer, bus: NatsBus
) -> None:
    await bus.state(subjects.KV_JOBS, Job).create("default.J1", decided("J1", claimed=True))
    async with house(nats.url, lease_seconds=0.5) as home:
        task = await home.runner.take()
        assert task.attempt == 2
        assert (await home.record("J1")).history[0].kind == "lost_runner"


async def test_a_lost_runner_is_followed_by_another_instance_and_its_zombie_is_refused(
    nats: NatsServer, bus: NatsBus
) -> None:
    async with house(nats.url, lease_seconds=1.0) as home:
        await home.ask("J1")
        zombie, other = home.runner, Runner(bus, "two")
        first = await zombie.take()
        assert await zombie.answer("claim", first) == "ok"
        second = await other.take(within=15)
        assert second.attempt == 2
        assert await other.answer("claim", second) == "ok"
        for operation in ("claim", "heartbeat", "publish"):
            assert await zombie.answer(operation, first) == "lost"
        assert await zombie.answer("finish", first, outcome="success", pr_url="http://forge/zombie") == "lost"
        assert await other.answer("publish", second) == "ok"
        assert await other.answer("finish", second, outcome="success", pr_url="http://forge/2") == "ok"
        assert (await home.becomes("J1", "success")).pr_url == "http://forge/2"


async def test_a_runner_that_keeps_beating_keeps_its_attempt(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url, lease_seconds=1.0) as home:
        await home.ask("J1")
        task = await home.runner.take()
        assert await home.runner.answer("claim", task) == "ok"
        loop = asyncio.get_running_loop()
        end = loop.time() + 3.0
        while loop.time() < end:
            assert await home.runner.answer("heartbeat", task, phase="agent") == "ok"
        assert (await home.record("J1")).attempt == 1


async def test_two_orchestrators_make_one_job_of_one_request_delivered_twice(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url, replicas=2) as home:
        await home.ask("J1")
        request = (await eventually_record(home, "J1")).request
        again = FixRequest(**{name: getattr(request, name) for name in request.__struct_fields__})
        await bus.publish(subjects.fix_request("default", "c-J1"), encode(again), msg_id="again")
        task = await home.runner.take()
        assert await home.runner.answer("claim", task) == "ok"
        assert await home.runner.idle()
        assert await Runner(bus, "two").answer("claim", task) == "lost"
        assert (await home.record("J1")).attempt == 1


async def eventually_record(home: House, job: str) -> Job:
    return await eventually(lambda: home.record(job))


async def test_two_orchestrators_share_many_jobs_and_every_history_is_whole(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url, replicas=2, project_concurrency=8) as home:
        await home.runner.present(slots=8)
        names = [await home.ask(f"J{n}") for n in range(24)]
        for _ in names:
            await home.runner.succeed(await home.runner.take())
        for name in names:
            events = await home.told(name)
            assert [event.n for event in events] == list(range(1, len(events) + 1))
            assert events[-1].status == "success"
            assert (await home.record(name)).attempt == 1
        assert await home.runner.idle()


async def test_a_cancelled_replica_leaves_everything_to_the_other(nats: NatsServer, bus: NatsBus) -> None:
    async with crashing_orchestrator(nats.url) as victim, house(nats.url) as home:
        names = [await home.ask(f"J{n}") for n in range(4)]
        await eventually_record(home, "J0")
        victim.cancel()
        for _ in names:
            await home.runner.succeed(await home.runner.take(within=20))
        for name in names:
            await home.becomes(name, "success")


async def test_kill_9_of_the_orchestrator_at_any_moment_ends_every_job_with_one_attempt_history(
    nats: NatsServer, bus: NatsBus
) -> None:
    home = House(bus, nats.url)
    await home.runner.present(slots=16)
    child = await process(nats.url, PROJECT_CONCURRENCY="16")
    names = [f"J{n}" for n in range(12)]
    work = asyncio.create_task(_work(home, len(names)))
    try:
        for position, name in enumerate(names):
            await home.ask(name)
            if position % 4 == 3:
                await eventually_record(home, names[position - 2])
                await child.kill()
                child = await process(nats.url, PROJECT_CONCURRENCY="16")
        await asyncio.wait_for(work, 60)
        for name in names:
            assert (await home.becomes(name, "success", within=30)).pr_url == f"http://forge/{name}"
            assert [event.n for event in await home.told(name)][-1] == (await home.record(name)).event_seq
    finally:
        work.cancel()
        await child.stop()


async def _work(home: House, jobs: int) -> None:
    """Finish attempts as real runners do: a call that fails is repeated."""
    done: set[str] = set()
    while len(done) < jobs:
        task = await home.runner.take(within=40)
        if await _patient(home, "claim", task) != "ok":
            continue
        if await _patient(home, "publish", task) != "ok":
            continue
        if await _patient(home, "finish", task, outcome="success", pr_url=f"http://forge/{task.job_id}") == "ok":
            done.add(task.job_id)


async def _patient(home: House, operation: str, task: RunnerTask, **changes: str) -> str:
    async def ask() -> str:
        try:
            return await home.runner.answer(operation, task, **changes)
        except Exception as error:  # no orchestrator right now, in whatever form the client says so
            raise AssertionError(str(error)) from error

    return await eventually(ask, within=20)


async def test_a_running_attempt_survives_a_restart_of_the_orchestrator(nats: NatsServer, bus: NatsBus) -> None:
    home = House(bus, nats.url)
    await home.runner.present()
    async with orchestrator(nats.url):
        await home.ask("J1")
        task = await home.runner.take()
        assert await home.runner.answer("claim", task) == "ok"
    async with orchestrator(nats.url):
        assert await _patient(home, "heartbeat", task, phase="agent") == "ok"
        assert await home.runner.answer("publish", task) == "ok"
        assert await home.runner.answer("finish", task, outcome="success", pr_url="http://forge/1") == "ok"
        assert (await home.becomes("J1", "success")).attempt == 1


async def test_a_job_survives_kill_9_of_the_broker(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await home.ask("J1")
        task = await home.runner.take()
        assert await home.runner.answer("claim", task) == "ok"
        await nats.restart()
        assert await _patient(home, "heartbeat", task, phase="agent") == "ok"
        assert await _patient(home, "publish", task) == "ok"
        assert await _patient(home, "finish", task, outcome="success", pr_url="http://forge/1") == "ok"
        await home.ask("J2")
        assert (await home.runner.take(within=20)).job_id == "J2"


async def test_a_call_whose_body_names_another_job_or_runner_is_lost(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await home.ask("J1")
        task = await home.runner.take()
        forged = AttemptCall(job_id="J1", project_id="default", runner=RUNNER, instance="one", attempt=1)
        for subject in ("attempts.claim.other.J1", f"attempts.claim.{RUNNER}.J2"):
            assert b'"lost"' in await bus.request(subject, encode(forged))
        assert b'"lost"' in await bus.request(f"attempts.claim.{RUNNER}.J1", b"{not json")
        assert await home.runner.answer("claim", task) == "ok"


async def test_a_cancel_of_a_job_nobody_knows_becomes_a_dead_letter(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await home.cancel("nobody")

        async def buried() -> None:
            assert await bus.count(subjects.DEAD) == 1

        await eventually(buried, within=20)


async def test_a_second_connection_sees_the_same_record(nats: NatsServer, bus: NatsBus) -> None:
    async with house(nats.url) as home:
        await home.ask("J1")
        await home.in_phase("J1", "provisioning")
        other = await connect(nats.url, service="reader")
        try:
            entry = await other.state(subjects.KV_JOBS, Job).get("default.J1")
            assert entry is not None
            assert entry.value == await home.record("J1")
        finally:
            await other.close()
