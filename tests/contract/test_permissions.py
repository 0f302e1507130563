"""A service's credentials let it do its own work and write nobody else's subjects, asked of a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from messaging import permissions
from messaging.connection import NatsBus, connect
from messaging.link import NotPermitted
from messaging.ports import BusError, Call, CaughtUp, Delivery, Unavailable
from messaging.provision import provision
from messaging.topology import runner_consumer
from schemas.catalog import Channel
from schemas.generate import channels
from schemas.triage import OPERATIONS
from tests.support.nats_server import running

IDENTITIES = {identity.name: identity for identity in permissions.IDENTITIES}
OTHER_RUNNER = "another"


class Guarded:
    """A server with the generated permissions, and a way to connect as anyone."""

    def __init__(self, url: str, credentials: Path) -> None:
        self.url, self.credentials = url, credentials
        self.opened: list[NatsBus] = []

    async def connect(self, name: str) -> NatsBus:
        bus = await connect(self.url, service=name, creds=str(self.credentials / name))
        self.opened.append(bus)
        return bus


@pytest_asyncio.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    credentials = tmp_path / "credentials"
    environment = permissions.make_credentials(credentials)
    extra = permissions.render()
    for variable, password in environment.items():
        extra = extra.replace(f"${variable}", password)
    async with running(tmp_path / "nats", extra) as server:
        await provision(server.url, creds=str(credentials / "provisioner"))
        found = Guarded(server.url, credentials)
        yield found
        for bus in found.opened:
            await bus.close()


def subject_of(channel: Channel, runner: str) -> str:
    return (
        channel.wildcard.replace("*", runner, 1).replace("*", "x")
        if "{runner}" in channel.address
        else (channel.wildcard.replace("*", "x"))
    )


async def may_publish(bus: NatsBus, subject: str) -> bool:
    """Whether the server takes a message on the subject; that nobody answers a request does not matter."""
    try:
        await (await bus.link.post(subject, b"{}", {"Nats-Msg-Id": subject}, 2.0, lambda reply: reply))
    except NotPermitted:
        return False
    return True


@pytest.mark.parametrize("name", IDENTITIES)
async def test_a_service_writes_its_own_subjects_and_no_others(guarded: Guarded, name: str) -> None:
    bus, identity = await guarded.connect(name), IDENTITIES[name]
    for channel in channels():
        subject = subject_of(channel, identity.runner or "sandbox_kilo")
        if channel.store == "DEAD":
            subject = f"dead.{name}"
        assert await may_publish(bus, subject) == (identity.role in channel.writers), subject
    assert not await may_publish(bus, "dead.somebody")


@pytest.mark.parametrize("name", IDENTITIES)
async def test_no_service_may_change_streams_consumers_or_the_inboxes_of_others(guarded: Guarded, name: str) -> None:
    bus = await guarded.connect(name)
    for subject in (
        "$JS.API.STREAM.DELETE.JOBS",
        "$JS.API.STREAM.PURGE.LOGS",
        "$JS.API.STREAM.UPDATE.JOBS",
        "$JS.API.CONSUMER.DELETE.REQUESTS.orchestrator",
        "$JS.API.CONSUMER.DURABLE.CREATE.REQUESTS.mine",
        "_INBOX_somebody.x",
    ):
        assert not await may_publish(bus, subject), subject


@pytest.mark.parametrize("name", ["runner_sandbox", "runner_aws"])
async def test_a_runner_cannot_act_for_another_runner_nor_create_consumers(guarded: Guarded, name: str) -> None:
    bus = await guarded.connect(name)
    for channel in channels():
        if "{runner}" in channel.address:
            assert not await may_publish(bus, subject_of(channel, OTHER_RUNNER))
    for subject in (
        f"$JS.API.CONSUMER.MSG.NEXT.RUNNERS.{OTHER_RUNNER}",
        "$JS.API.CONSUMER.CREATE.LOGS.x.logs.>",
        "$JS.API.CONSUMER.CREATE.RUNNERS.x.runners.>",
        "$JS.API.STREAM.MSG.DELETE.DEAD",
    ):
        assert not await may_publish(bus, subject), subject


async def test_a_forbidden_publish_fails_at_once_and_says_why(guarded: Guarded) -> None:
    bus = await guarded.connect("planner")
    begin = asyncio.get_running_loop().time()
    with pytest.raises(BusError, match="planner may not publish to jobs"):
        await bus.publish("jobs.p.j.status", b"{}")
    assert asyncio.get_running_loop().time() - begin < 2


async def test_nobody_connects_without_or_with_a_wrong_password(guarded: Guarded, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await connect(guarded.url, service="gateway", within=1)
    (tmp_path / "wrong").write_text("gateway:guessed")
    with pytest.raises(Unavailable):
        await connect(guarded.url, service="gateway", creds=str(tmp_path / "wrong"), within=1)


async def take(bus: NatsBus, consumer: str) -> Delivery:
    (delivery,) = await bus.fetch(consumer, expires=5)
    await delivery.in_progress()
    await delivery.ack()
    return delivery


async def test_one_fix_goes_from_the_gateway_to_the_runner_and_back_under_these_permissions(guarded: Guarded) -> None:
    gateway, orchestrator = await guarded.connect("gateway"), await guarded.connect("orchestrator")
    runner, triage = await guarded.connect("runner_sandbox"), await guarded.connect("triage")
    await triage.publish("clusters.p.c", b"{}")
    assert await gateway.last("CLUSTERS", "clusters.p.c") is not None
    await gateway.state("projects", dict).create("fix.p.c", {})
    await gateway.state("secrets", dict).create("j", {"sealed": "x"})
    await gateway.publish("requests.fix.p.c", b"{}", msg_id="j")
    assert (await take(orchestrator, "orchestrator")).subject == "requests.fix.p.c"
    await orchestrator.state("jobs", dict).create("p.j", {"n": 1})
    await orchestrator.publish("runners.sandbox_kilo.p.j", b"{}")

    async def answer(call: Call) -> bytes:
        return b"ok " + call.subject.encode()

    await orchestrator.serve("attempts.*.*.*", answer)
    await runner.ensure_consumer(runner_consumer("sandbox_kilo"))
    assert (await take(runner, "sandbox_kilo")).subject == "runners.sandbox_kilo.p.j"
    answered = await runner.request("attempts.claim.sandbox_kilo.j", b"{}")
    assert answered == b"ok attempts.claim.sandbox_kilo.j"
    assert await runner.state("secrets", dict).get("j") is not None
    for blind in (gateway, orchestrator):
        with pytest.raises(BusError):
            await blind.state("secrets", dict).get("j")
    await orchestrator.state("secrets", dict).delete("j")
    assert await runner.state("secrets", dict).get("j") is None
    await runner.state("runners", dict).put("sandbox_kilo.i", {})
    await runner.publish("logs.p.j", b"line")
    await runner.publish("jobs.p.j.attempt", b"{}")
    await runner.objects().put("patches/p/j/1.diff", b"diff")
    assert (await take(orchestrator, "orchestrator-attempts")).subject == "jobs.p.j.attempt"
    await orchestrator.publish("jobs.p.j.status", b"{}")
    assert (await take(triage, "triage-jobs")).subject == "jobs.p.j.status"
    assert await gateway.objects().get("patches/p/j/1.diff") == b"diff"
    assert [stored.data for stored in await gateway.page("LOGS", "logs.p.j")] == [b"line"]
    async with aclosing(gateway.follow("LOGS", ["logs.p.j"])) as items:
        await anext(items)
        assert isinstance(await asyncio.wait_for(anext(items), 5), CaughtUp)
    assert await gateway.state("jobs", dict).keys("p") == ["p.j"]


async def test_planner_and_triage_do_their_work_under_these_permissions(guarded: Guarded) -> None:
    gateway, planner = await guarded.connect("gateway"), await guarded.connect("planner")
    triage = await guarded.connect("triage")
    collector = await guarded.connect("collector")
    await collector.publish("feedback.p.github", b"{}")
    assert (await take(triage, "triage")).subject == "feedback.p.github"
    await gateway.publish("requests.plan.p.c", b"{}")
    assert (await take(planner, "planner")).subject == "requests.plan.p.c"
    await planner.state("plans", dict).create("p.c", {})
    await planner.state("plans", dict).create("p.c.v1", {})

    async def answer(_: Call) -> bytes:
        return b"answer"

    await triage.serve("triage.*", answer)
    assert await planner.request(f"triage.{next(iter(OPERATIONS))}", b"{}") == b"answer"
    assert await gateway.request(f"triage.{next(iter(OPERATIONS))}", b"{}") == b"answer"
    assert await gateway.state("plans", dict).get("p.c") is not None


async def test_credentials_are_kept_readable_by_their_owner_only(tmp_path: Path) -> None:
    first = permissions.make_credentials(tmp_path / "c")
    assert permissions.make_credentials(tmp_path / "c") == first
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "c").iterdir()} == {0o600}


def test_the_committed_permissions_match_the_catalog() -> None:
    assert permissions.OUT.read_text() == permissions.render(), "run `python -m messaging.permissions`"
