"""What every bus promises, asked of the real broker and of its in-memory twin alike."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from messaging import provisioning
from messaging.connection import connect
from messaging.memory import MemoryBroker, MemoryBus
from messaging.ports import (
    Bus,
    BusError,
    Call,
    CaughtUp,
    Conflict,
    Entry,
    Full,
    NoResponders,
    Stored,
    TooLarge,
    Unavailable,
)
from messaging.topology import PROFILES, STREAMS, Consumer, all_streams
from schemas.base import Message
from tests.support.eventually import eventually
from tests.support.nats_server import running

QUICK = Consumer("quick", "JOBS", ("jobs.*.*.attempt",), ack_wait=1.0, pending=4)
BOUNDED = replace(STREAMS["REQUESTS"], max_msgs=3)
MakeBus = Callable[[str], Awaitable[Bus]]


class Note(Message, frozen=True, kw_only=True):
    text: str
    number: int = 0


@pytest_asyncio.fixture(params=["memory", "nats"])
async def make_bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MakeBus]:
    """Buses of several services on one broker; its REQUESTS stream takes three messages."""
    streams = [BOUNDED if spec.name == "REQUESTS" else spec for spec in all_streams()]
    opened: list[Bus] = []
    if request.param == "memory":
        broker = MemoryBroker(streams)

        async def in_memory(service: str) -> Bus:
            opened.append(MemoryBus(service, broker))
            return opened[-1]

        yield in_memory
        return
    async with running(tmp_path / "nats") as server:
        first = await connect(server.url, service="provisioner")
        await provisioning.apply(first.link, PROFILES["embedded"], streams=streams)
        opened.append(first)

        async def over_nats(service: str) -> Bus:
            opened.append(await connect(server.url, service=service))
            return opened[-1]

        yield over_nats
        for bus in opened:
            await bus.close()


@pytest_asyncio.fixture
async def one(make_bus: MakeBus) -> Bus:
    return await make_bus("one")


@pytest_asyncio.fixture
async def two(make_bus: MakeBus) -> Bus:
    return await make_bus("two")


async def collect(bus: Bus, wanted: int, *, after: int | None = 0) -> list[Stored | CaughtUp]:
    found: list[Stored | CaughtUp] = []
    async with aclosing(bus.follow("LOGS", ["logs.p.>"], after=after)) as items:
        async for item in items:
            found.append(item)
            if len(found) == wanted:
                break
    return found


async def test_a_published_message_is_stored_with_its_headers(one: Bus, two: Bus) -> None:
    ack = await one.publish("logs.p.j", b"hello", msg_id="a", headers={"Colour": "blue"})
    stored = await two.last("LOGS", "logs.p.j")
    assert (ack.stream, ack.duplicate) == ("LOGS", False)
    assert stored is not None
    assert (stored.subject, stored.sequence, stored.data) == ("logs.p.j", ack.sequence, b"hello")
    assert (stored.headers["Nats-Msg-Id"], stored.headers["Colour"]) == ("a", "blue")
    assert stored.time > 1.7e9


async def test_the_same_id_is_stored_once(one: Bus, two: Bus) -> None:
    first = await one.publish("logs.p.j", b"hello", msg_id="a")
    again = await two.publish("logs.p.j", b"hello", msg_id="a")
    assert (again.sequence, again.duplicate) == (first.sequence, True)
    assert await one.count("LOGS") == 1


async def test_posts_are_stored_in_the_order_sent(one: Bus) -> None:
    answers = [await one.post("logs.p.j", str(n).encode(), msg_id=f"m{n}") for n in range(300)]
    sequences = [(await answer).sequence for answer in answers]
    assert sequences == sorted(sequences)
    assert [stored.data for stored in await one.page("LOGS", "logs.p.j", limit=300)] == [b"%d" % n for n in range(300)]


async def test_a_full_work_queue_refuses_and_says_full(one: Bus) -> None:
    for number in range(3):
        await one.publish(f"requests.plan.p.c{number}", b"{}")
    with pytest.raises(Full):
        await one.publish("requests.plan.p.c4", b"{}")


async def test_a_message_above_one_mebibyte_is_refused_as_too_large(one: Bus) -> None:
    with pytest.raises(TooLarge):
        await one.publish("logs.p.j", b"x" * (1024 * 1024 + 1))
    assert await one.count("LOGS") == 0


async def test_pages_go_on_after_the_last_sequence(one: Bus) -> None:
    for number in range(5):
        await one.publish("logs.p.j", str(number).encode())
        await one.publish("logs.p.other", b"-")
    first = await one.page("LOGS", "logs.p.j", limit=2)
    rest = await one.page("LOGS", "logs.p.j", after=first[-1].sequence, limit=200)
    assert [stored.data for stored in first + rest] == [b"0", b"1", b"2", b"3", b"4"]
    assert await one.page("LOGS", "logs.p.j", after=rest[-1].sequence) == []
    assert await one.page("LOGS", "logs.nobody.>") == []
    assert await one.last("LOGS", "logs.p.nobody") is None


async def test_count_and_remove_see_single_messages(one: Bus) -> None:
    kept = await one.publish("logs.p.a", b"1")
    gone = await one.publish("logs.p.b", b"2")
    await one.remove("LOGS", gone.sequence)
    await one.remove("LOGS", gone.sequence)
    assert (await one.count("LOGS"), await one.count("LOGS", "logs.p.b"), await one.count("LOGS", "logs.p.*")) == (
        1,
        0,
        1,
    )
    assert [stored.sequence for stored in await one.page("LOGS", "logs.>")] == [kept.sequence]


async def test_follow_replays_tells_when_caught_up_and_stays_live(one: Bus, two: Bus) -> None:
    for number in range(3):
        await one.publish("logs.p.j", str(number).encode())
    following = asyncio.create_task(collect(two, 6))
    await eventually(lambda: not following.done())
    await one.publish("logs.q.j", b"other project")
    await one.publish("logs.p.j", b"3")
    await one.publish("logs.p.k", b"4")
    found = await asyncio.wait_for(following, 5)
    stored = [item for item in found if isinstance(item, Stored)]
    assert [item.data for item in stored] == [b"0", b"1", b"2", b"3", b"4"]
    assert isinstance(found[3], CaughtUp) or isinstance(found[4], CaughtUp) or isinstance(found[5], CaughtUp)
    assert sum(isinstance(item, CaughtUp) for item in found) == 1


async def test_follow_after_a_sequence_gives_only_what_is_later(one: Bus) -> None:
    acks = [await one.publish("logs.p.j", str(number).encode()) for number in range(4)]
    found = await asyncio.wait_for(collect(one, 3, after=acks[1].sequence), 5)
    assert [item.data for item in found if isinstance(item, Stored)] == [b"2", b"3"]
    assert found[-1] == CaughtUp(acks[-1].sequence)


async def test_follow_from_now_on_skips_what_is_stored(one: Bus) -> None:
    await one.publish("logs.p.j", b"old")
    async with aclosing(one.follow("LOGS", ["logs.p.>"], after=None)) as items:
        assert isinstance(await anext(items), CaughtUp)
        await one.publish("logs.p.j", b"new")
        item = await asyncio.wait_for(anext(items), 5)
    assert isinstance(item, Stored)
    assert item.data == b"new"


async def test_follow_takes_several_subjects_in_stored_order(one: Bus) -> None:
    for subject in ("logs.p.a", "logs.p.b", "logs.p.c", "logs.p.a"):
        await one.publish(subject, subject.encode())
    async with aclosing(one.follow("LOGS", ["logs.p.a", "logs.p.c"])) as items:
        found = [await anext(items) for _ in range(4)]
    assert [item.data for item in found if isinstance(item, Stored)] == [b"logs.p.a", b"logs.p.c", b"logs.p.a"]


async def test_requests_reach_one_of_the_replicas_and_bring_the_answer(make_bus: MakeBus, one: Bus) -> None:
    served: list[str] = []
    replicas = [await make_bus("answerer") for _ in range(2)]
    for name, replica in zip("ab", replicas, strict=True):

        async def answer(call: Call, name: str = name) -> bytes:
            served.append(name)
            return call.subject.encode() + b":" + call.data

        await replica.serve("triage.*", answer)
    answers = [await one.request("triage.list", b"%d" % n) for n in range(20)]
    assert answers == [b"triage.list:%d" % n for n in range(20)]
    assert len(served) == 20


async def test_a_request_that_nobody_serves_fails_at_once(one: Bus) -> None:
    with pytest.raises(NoResponders):
        await one.request("triage.nothing", b"", timeout=5)


async def test_a_request_whose_answer_is_late_says_unavailable(one: Bus, two: Bus) -> None:
    release = asyncio.Event()

    async def slow(_: Call) -> bytes:
        await release.wait()
        return b""

    subscription = await two.serve("triage.slow", slow)
    with pytest.raises(Unavailable):
        await one.request("triage.slow", b"", timeout=0.1)
    release.set()
    await subscription.stop()


async def test_a_failing_handler_reaches_its_caller_as_an_error(one: Bus, two: Bus) -> None:
    async def broken(_: Call) -> bytes:
        raise ValueError("no such table")

    await two.serve("triage.broken", broken)
    with pytest.raises(BusError, match="no such table"):
        await one.request("triage.broken", b"", timeout=5)


async def test_a_stopped_subscription_finishes_its_call_and_takes_no_more(one: Bus, two: Bus) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def slow(_: Call) -> bytes:
        started.set()
        await release.wait()
        return b"finished"

    subscription = await two.serve("triage.slow", slow)
    call = asyncio.create_task(one.request("triage.slow", b"", timeout=5))
    await started.wait()
    stopping = asyncio.create_task(subscription.stop())
    release.set()
    await stopping
    assert await call == b"finished"
    with pytest.raises(NoResponders):
        await one.request("triage.slow", b"")


async def test_a_fetched_message_comes_back_after_ack_wait_until_it_is_acknowledged(one: Bus) -> None:
    await one.ensure_consumer(QUICK)
    await one.publish("jobs.p.j.attempt", b"work", msg_id="w")
    (first,) = await one.fetch(QUICK)
    (second,) = await one.fetch(QUICK, expires=5)
    assert (first.deliveries, second.deliveries) == (1, 2)
    assert (second.subject, second.data, second.headers["Nats-Msg-Id"]) == ("jobs.p.j.attempt", b"work", "w")
    await second.ack()
    assert await one.fetch(QUICK, expires=1.5) == []


async def test_in_progress_keeps_a_message_from_coming_back(one: Bus) -> None:
    await one.ensure_consumer(QUICK)
    await one.publish("jobs.p.j.attempt", b"work")
    (delivery,) = await one.fetch(QUICK)
    for _ in range(4):
        assert await one.fetch(QUICK, expires=0.5) == []
        await delivery.in_progress()
    await delivery.ack()


async def test_a_message_handed_back_comes_again_after_its_delay(one: Bus) -> None:
    await one.ensure_consumer(QUICK)
    await one.publish("jobs.p.j.attempt", b"work")
    (delivery,) = await one.fetch(QUICK)
    await delivery.nak(0.4)
    assert await one.fetch(QUICK, expires=0.2) == []
    (again,) = await one.fetch(QUICK, expires=2)
    assert again.deliveries == 2
    await again.term("bad")
    assert await one.fetch(QUICK, expires=1.5) == []


async def test_at_most_pending_messages_are_out_at_once(one: Bus) -> None:
    await one.ensure_consumer(QUICK)
    for number in range(6):
        await one.publish("jobs.p.j.attempt", str(number).encode())
    out = await one.fetch(QUICK, batch=10)
    assert [delivery.data for delivery in out] == [b"0", b"1", b"2", b"3"]
    for delivery in out:
        await delivery.ack()
    rest: set[bytes] = set()
    while rest != {b"4", b"5"}:  # one of them may have gone to the fetch given up above, which hands it back
        found = await one.fetch(QUICK, batch=10)
        assert found
        rest |= {delivery.data for delivery in found}


async def test_acknowledged_work_leaves_the_queue(one: Bus) -> None:
    await one.publish("requests.fix.p.c", b"{}")
    await one.publish("requests.plan.p.c", b"{}")
    (delivery,) = await one.fetch("orchestrator")
    assert delivery.subject == "requests.fix.p.c"
    await delivery.ack()
    assert await eventually_count(one, "REQUESTS", 1) == 1


async def eventually_count(bus: Bus, stream: str, wanted: int) -> int:
    async def check() -> int:
        found = await bus.count(stream)
        assert found == wanted
        return found

    return await eventually(check)


def pending(task: asyncio.Task[Any]) -> bool:
    return not task.done()


async def test_a_cancelled_fetch_loses_no_message(one: Bus) -> None:
    await one.ensure_consumer(QUICK)
    for _ in range(5):
        fetching = asyncio.create_task(one.fetch(QUICK, expires=5))
        await eventually(partial(pending, fetching))
        fetching.cancel()
        await asyncio.wait({fetching})
    await one.publish("jobs.p.j.attempt", b"work")

    async def arrives() -> None:
        (delivery,) = await one.fetch(QUICK, expires=0.5)
        await delivery.ack()

    await asyncio.wait_for(arrives(), 0.9)  # sooner than ack_wait: it was handed back, not left to expire


async def test_compare_and_set_refuses_a_stale_revision(one: Bus, two: Bus) -> None:
    mine, theirs = one.state("jobs", Note), two.state("jobs", Note)
    revision = await mine.create("p.j", Note(text="a"))
    assert await theirs.get("p.j") == Entry("p.j", Note(text="a"), revision)
    second = await theirs.replace("p.j", Note(text="b"), revision)
    with pytest.raises(Conflict):
        await mine.replace("p.j", Note(text="c"), revision)
    with pytest.raises(Conflict):
        await mine.create("p.j", Note(text="d"))
    assert second > revision
    entry = await mine.get("p.j")
    assert entry is not None
    assert entry.value == Note(text="b")


async def test_a_deleted_key_can_be_created_again(one: Bus) -> None:
    state = one.state("jobs", Note)
    await state.create("p.j", Note(text="a"))
    await state.delete("p.j")
    assert await state.get("p.j") is None
    assert await state.keys() == []
    revision = await state.create("p.j", Note(text="b"))
    assert await state.get("p.j") == Entry("p.j", Note(text="b"), revision)
    with pytest.raises(Conflict):
        await state.create("p.j", Note(text="c"))


async def test_updates_of_many_writers_all_count(make_bus: MakeBus) -> None:
    buses = [await make_bus(f"writer{number}") for number in range(4)]

    def add_one(note: Note | None) -> Note:
        return Note(text="n", number=(note.number if note else 0) + 1)

    async def write(bus: Bus) -> None:
        for _ in range(10):
            await bus.state("jobs", Note).update("p.counter", add_one)

    await asyncio.gather(*(write(bus) for bus in buses))
    entry = await buses[0].state("jobs", Note).get("p.counter")
    assert entry is not None
    assert entry.value == Note(text="n", number=40)


async def test_an_update_that_decides_nothing_changes_nothing(one: Bus) -> None:
    state = one.state("jobs", Note)
    revision = await state.create("p.j", Note(text="a"))
    assert await state.update("p.j", lambda _: None) is None
    assert await state.get("p.j") == Entry("p.j", Note(text="a"), revision)


async def test_keys_and_items_are_found_by_whole_tokens(one: Bus) -> None:
    state = one.state("plans", Note)
    for key in ("p.a", "p.a.v1", "p.b", "pp.a"):
        await state.put(key, Note(text=key))
    assert sorted(await state.keys()) == ["p.a", "p.a.v1", "p.b", "pp.a"]
    assert sorted(await state.keys("p")) == ["p.a", "p.a.v1", "p.b"]
    assert sorted(await state.keys("p.a")) == ["p.a", "p.a.v1"]
    assert sorted(entry.value.text for entry in await state.items("p.a") if entry.value) == ["p.a", "p.a.v1"]
    assert await state.items("nobody") == []


async def test_a_watch_tells_the_state_then_each_change(one: Bus, two: Bus) -> None:
    state = one.state("plans", Note)
    await state.put("p.a", Note(text="1"))
    await state.put("p.gone", Note(text="x"))
    await state.delete("p.gone")
    async with aclosing(two.state("plans", Note).watch("p")) as changes:
        first = await asyncio.wait_for(anext(changes), 5)
        assert isinstance(first, Entry)
        assert (first.key, first.value) == ("p.a", Note(text="1"))
        assert isinstance(await asyncio.wait_for(anext(changes), 5), CaughtUp)
        await state.put("p.b", Note(text="2"))
        await state.put("q.b", Note(text="other"))
        await state.delete("p.a")
        second = await asyncio.wait_for(anext(changes), 5)
        third = await asyncio.wait_for(anext(changes), 5)
    assert isinstance(second, Entry)
    assert isinstance(third, Entry)
    assert (second.key, second.value) == ("p.b", Note(text="2"))
    assert (third.key, third.value) == ("p.a", None)


async def test_a_value_of_another_shape_is_named_not_returned(one: Bus) -> None:
    await one.state("jobs", dict).put("p.j", {"number": "x"})
    with pytest.raises(BusError, match=r"p\.j"):
        await one.state("jobs", Note).get("p.j")


async def test_a_value_of_another_shape_stops_no_reader_of_the_whole_bucket(one: Bus) -> None:
    await one.state("jobs", dict).put("p.j", {"number": "x"})
    await one.state("jobs", Note).put("p.k", Note(text="fine"))
    assert [entry.key for entry in await one.state("jobs", Note).items("p")] == ["p.k"]
    async with aclosing(one.state("jobs", Note).watch("p")) as changes:
        first = await asyncio.wait_for(anext(changes), 5)
        assert isinstance(first, Entry)
        assert first.key == "p.k"
        assert isinstance(await asyncio.wait_for(anext(changes), 5), CaughtUp)


async def test_objects_are_stored_whole_overwritten_listed_and_deleted(one: Bus, two: Bus) -> None:
    mine, theirs = one.objects(), two.objects()
    big = bytes(range(256)) * 2048
    digest = await mine.put("patches/p/j/1.diff", big)
    await mine.put("reports/p/j/1.json", b"")
    assert digest.startswith("SHA-256=")
    assert await theirs.get("patches/p/j/1.diff") == big
    assert await theirs.get("reports/p/j/1.json") == b""
    assert await theirs.names("patches/") == ["patches/p/j/1.diff"]
    await mine.put("patches/p/j/1.diff", b"small")
    assert await theirs.get("patches/p/j/1.diff") == b"small"
    await mine.delete("patches/p/j/1.diff")
    await mine.delete("patches/p/j/1.diff")
    assert await theirs.get("patches/p/j/1.diff") is None
    assert await theirs.names() == ["reports/p/j/1.json"]


async def test_ping_answers_until_the_bus_is_closed(make_bus: MakeBus) -> None:
    bus = await make_bus("brief")
    assert await bus.ping() >= 0
    await bus.close()
    with pytest.raises(BusError):
        await bus.ping()
