"""The traps of the broker's client that we met before: each must be harmless through our own code."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from messaging import provisioning
from messaging.connection import NatsBus, connect
from messaging.ports import Bus, BusError, Call, CaughtUp, Entry, Stored, Unavailable
from messaging.provision import provision
from messaging.state import NatsState
from messaging.topology import BUCKETS, PROFILES, Consumer
from runtime import telemetry
from schemas.runners import RunnerInfo
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer, running

QUICK = Consumer("quick", "JOBS", ("jobs.*.*.attempt",), ack_wait=2.0)


async def numbers(bus: Bus, wanted: int, found: list[int]) -> None:
    """Follow ``logs.p.j`` and note each message's number until ``wanted`` are there."""
    async with aclosing(bus.follow("LOGS", ["logs.p.j"])) as items:
        async for item in items:
            if isinstance(item, Stored):
                found.append(int(item.data))
            if len(found) == wanted:
                return


async def reaches(found: list[int], number: int, within: float = 20) -> None:
    await eventually(lambda: len(found) >= number, within)


async def hangs(bus: NatsBus) -> None:
    """Return once the server does not answer: SIGSTOP takes a moment."""

    async def silent() -> bool:
        try:
            await bus.link.ping(timeout=0.3)
        except Unavailable:
            return True
        return False

    await eventually(silent)


async def test_follow_has_no_gap_and_no_duplicate_over_a_killed_and_restarted_server(
    nats: NatsServer, bus: NatsBus
) -> None:
    found: list[int] = []
    following = asyncio.create_task(numbers(bus, 900, found))
    for restart in range(3):
        for number in range(restart * 300, restart * 300 + 300):
            await bus.publish("logs.p.j", b"%d" % number, msg_id=f"m{number}")
        if restart < 2:
            await nats.restart()
    await asyncio.wait_for(following, 20)
    assert found == list(range(900))


async def test_a_reader_that_pauses_is_not_told_that_it_has_seen_everything(bus: NatsBus) -> None:
    for number in range(12_000):  # more than the reader and the broker hold back between them
        await bus.post("logs.p.j", b"%d" % number + b" " * 2000, msg_id=f"m{number}")
    await bus.publish("logs.p.j", b"12000")
    found: list[int] = []
    async with aclosing(bus.follow("LOGS", ["logs.p.j"])) as items:
        async for item in items:
            if isinstance(item, CaughtUp):
                break
            found.append(int(item.data))
            if len(found) == 1:
                assert await bus.fetch("triage", expires=3.5) == []  # time for heartbeats of the consumer that waits
    assert found == list(range(12_001))


async def test_follow_reopens_soon_after_a_server_comes_back(nats: NatsServer, bus: NatsBus) -> None:
    found: list[int] = []
    following = asyncio.create_task(numbers(bus, 2, found))
    await bus.publish("logs.p.j", b"0")
    await reaches(found, 1)
    await nats.restart()
    begin = asyncio.get_running_loop().time()
    await bus.publish("logs.p.j", b"1")
    await asyncio.wait_for(following, 5)
    assert asyncio.get_running_loop().time() - begin < 4


async def test_follow_survives_a_server_that_hangs(nats: NatsServer, bus: NatsBus) -> None:
    found: list[int] = []
    following = asyncio.create_task(numbers(bus, 2, found))
    await bus.publish("logs.p.j", b"0")
    await reaches(found, 1)
    nats.pause()
    await hangs(bus)
    nats.resume()
    await bus.publish("logs.p.j", b"1")
    await asyncio.wait_for(following, 15)
    assert found == [0, 1]


async def test_a_reader_that_stands_still_loses_nothing(bus: NatsBus) -> None:
    count, body = 30_000, b"x" * 1000
    answers = []
    for number in range(count):
        answers.append(await bus.post("logs.p.j", b"%08d" % number + body, msg_id=f"m{number}", timeout=30))
        if len(answers) >= 256:
            await asyncio.gather(*answers)
            answers.clear()
    await asyncio.gather(*answers)
    async with aclosing(bus.follow("LOGS", ["logs.p.j"])) as items:
        first = await anext(items)
        await bus.ping()  # the reader does other things; the broker goes on sending until told to wait
        found = [first]
        async for item in items:
            found.append(item)
            if isinstance(item, CaughtUp):
                break
    got = [int(item.data[:8]) for item in found if isinstance(item, Stored)]
    assert got == list(range(count))


async def test_a_stream_that_was_made_anew_is_followed_from_its_beginning(tmp_path: Path) -> None:
    async with running(tmp_path / "nats") as server:
        await provision(server.url)
        bus = await connect(server.url, service="test")
        for number in range(5):
            await bus.publish("logs.p.j", b"%d" % number)
        found: list[int] = []
        following = asyncio.create_task(numbers(bus, 7, found))
        await reaches(found, 5)
        await server.kill9()
        server.folder = tmp_path / "fresh"
        await server.start()
        await provision(server.url)
        for number in (10, 11):
            await bus.publish("logs.p.j", b"%d" % number)
        await asyncio.wait_for(following, 15)
        await bus.close()
    assert found == [0, 1, 2, 3, 4, 10, 11]


async def test_a_key_can_be_created_after_it_expired(nats: NatsServer, bus: NatsBus) -> None:
    short = replace(BUCKETS["runners"], name="short", ttl=1.0)
    await provisioning.ensure_stream(bus.link, short.stream(), PROFILES["embedded"])
    state = NatsState(bus.link, short, RunnerInfo)
    now = datetime.now(UTC)
    info = RunnerInfo(runner="r", instance="i", sandbox="local", agent="kilocode", slots=1, started_at=now, seen_at=now)
    await state.create("r.i", info)
    watched: list[Entry[RunnerInfo] | CaughtUp] = []

    async def watch() -> None:
        async with aclosing(state.watch()) as changes:
            async for change in changes:
                watched.append(change)  # noqa: PERF401  (it never ends; each change is needed at once)

    watching = asyncio.create_task(watch())

    async def expired() -> None:
        assert await state.get("r.i") is None

    await eventually(expired, within=5)
    assert await state.keys() == []
    await state.create("r.i", info)
    entry = await state.get("r.i")
    assert entry is not None
    assert entry.value == info
    await eventually(lambda: len(watched) >= 4)
    watching.cancel()
    values = [None if isinstance(change, CaughtUp) else change.value for change in watched[:4]]
    assert values == [info, None, None, info]  # the entry, CaughtUp, its end, the new one


async def test_a_fetch_does_not_sit_out_its_time_after_a_restart(nats: NatsServer, bus: NatsBus) -> None:
    await bus.ensure_consumer(QUICK)
    fetching = asyncio.create_task(bus.fetch(QUICK, expires=60))
    await bus.ping()
    await nats.restart()
    assert await asyncio.wait_for(fetching, 5) == []
    await bus.publish("jobs.p.j.attempt", b"work")
    (delivery,) = await bus.fetch(QUICK, expires=5)
    assert delivery.data == b"work"


async def test_closing_after_an_idle_fetch_does_not_hang(nats: NatsServer, bus: NatsBus) -> None:
    for number in range(6):
        brief = await connect(nats.url, service=f"brief{number}")
        assert await brief.fetch("planner", expires=0.05) == []
        await asyncio.wait_for(brief.close(), 2)


async def test_a_served_subject_answers_from_the_moment_serve_returns(nats: NatsServer, bus: NatsBus) -> None:
    async def echo(call: Call) -> bytes:
        return call.data

    other = await connect(nats.url, service="caller")
    for number in range(200):
        subscription = await bus.serve(f"triage.op{number}", echo)
        assert await other.request(f"triage.op{number}", b"x") == b"x"
        await subscription.stop()
    await other.close()


async def test_a_slow_call_does_not_hold_up_the_next(bus: NatsBus, nats: NatsServer) -> None:
    release = asyncio.Event()

    async def answer(call: Call) -> bytes:
        if call.data == b"slow":
            await release.wait()
        return call.data

    await bus.serve("triage.mixed", answer)
    slow = asyncio.create_task(bus.request("triage.mixed", b"slow"))
    assert await bus.request("triage.mixed", b"fast", timeout=2) == b"fast"
    release.set()
    assert await slow == b"slow"


async def test_an_error_callback_never_ends_the_read_loop(nats: NatsServer, bus: NatsBus) -> None:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise RuntimeError("cannot be printed")

    await bus.link._on_error(Hostile())
    assert await bus.ping() < 5


async def test_a_dead_read_loop_is_noticed_and_replaced(bus: NatsBus) -> None:
    """What a bug inside the client does: is_connected stays True, flush succeeds, nothing arrives any more."""
    reading = bus.link.client._reading_task
    assert reading is not None
    reading.cancel()
    await asyncio.wait({reading})
    assert bus.link.client.is_connected
    await eventually(lambda: bus.link.generation == 1, within=20)
    assert await bus.ping() < 5


async def test_a_publish_during_an_outage_is_stored_once_when_the_server_is_back(
    nats: NatsServer, bus: NatsBus
) -> None:
    await nats.kill9()
    publishing = [asyncio.create_task(bus.publish("logs.p.j", b"%d" % n, msg_id=f"m{n}")) for n in range(20)]
    await nats.start()
    acks = await asyncio.gather(*publishing)
    assert len({ack.sequence for ack in acks}) == 20
    assert await bus.count("LOGS") == 20


async def test_a_compare_and_set_whose_answer_was_lost_does_not_conflict_with_itself(
    nats: NatsServer, bus: NatsBus
) -> None:
    state = bus.state("jobs", dict)
    nats.pause()
    await hangs(bus)
    creating = asyncio.create_task(state.create("p.j", {"n": 1}))
    await eventually(lambda: bool(telemetry.PUBLISH_RETRIES.labels("$KV")._value.get() >= 1), within=10)
    nats.resume()
    revision = await asyncio.wait_for(creating, 10)
    entry = await state.get("p.j")
    assert entry is not None
    assert (entry.value, entry.revision) == ({"n": 1}, revision)
    assert await bus.count("KV_jobs") == 1


async def test_connecting_to_nothing_fails_in_time_with_what_to_do(nats: NatsServer) -> None:
    await nats.kill9()
    with pytest.raises(Unavailable, match="Is nats-server running"):
        await connect(nats.url, service="test", within=1.0)


async def test_a_closed_bus_refuses_instead_of_waiting(nats: NatsServer, bus: NatsBus) -> None:
    brief = await connect(nats.url, service="brief")
    await brief.close()
    with pytest.raises(BusError, match="closed for good"):
        await brief.publish("logs.p.j", b"x")


async def test_ten_thousand_keys_are_listed_quickly_and_a_few_of_them_at_once(bus: NatsBus) -> None:
    state = bus.state("jobs", dict)
    for start in range(0, 10_000, 500):
        await asyncio.gather(*(state.put(f"p{n % 10}.job{n}", {"n": n}) for n in range(start, start + 500)))
    loop = asyncio.get_running_loop()
    begin = loop.time()
    assert len(await state.keys()) == 10_000
    assert len(await state.items("p3")) == 1_000
    assert loop.time() - begin < 5
    begin = loop.time()
    entry = await state.get("p3.job3")
    assert entry is not None
    assert loop.time() - begin < 0.5
