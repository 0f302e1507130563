"""The worker on a real broker: redelivery, dead letters, publishing before the ack, orderly stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import msgspec
import pytest

from messaging import dead
from messaging.connection import NatsBus, connect
from messaging.ports import Bus, Out, Reject, Retry
from messaging.topology import Consumer
from messaging.worker import NO_OUTS, BatchWorker, Context, Done, Item, Result, Worker
from schemas.base import Message, encode
from schemas.errors import DeadLetter
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer

WORK = Consumer("work", "REQUESTS", ("requests.fix.>",), ack_wait=1.5)


class Task(Message, frozen=True, kw_only=True):
    name: str


class Runs(Protocol):
    async def run(self, stop: asyncio.Event) -> None: ...


@asynccontextmanager
async def working(*workers: Runs) -> AsyncIterator[asyncio.Event]:
    """Run workers for the length of a block, then stop them in order."""
    stop = asyncio.Event()
    running = [asyncio.create_task(worker.run(stop)) for worker in workers]
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*running), 10)


@pytest.fixture
async def work(bus: NatsBus) -> NatsBus:
    """The bus with a consumer of its own on REQUESTS instead of the orchestrator's."""
    await bus.link.call("$JS.API.CONSUMER.DELETE.REQUESTS.orchestrator")
    await bus.ensure_consumer(WORK)
    return bus


async def give(bus: Bus, *names: str) -> None:
    for name in names:
        await bus.publish(f"requests.fix.p.{name}", encode(Task(name=name)), msg_id=name)


async def empty(bus: Bus) -> None:
    async def check() -> None:
        assert await bus.count("REQUESTS") == 0

    await eventually(check, within=10)


async def letters(bus: Bus, wanted: int) -> Sequence[DeadLetter]:
    async def check() -> Sequence[DeadLetter]:
        found = [letter for _, letter in await dead.list(bus)]
        assert len(found) == wanted
        return found

    return await eventually(check, within=15)


async def test_outputs_are_published_under_ids_of_the_input_then_it_is_acknowledged(work: NatsBus) -> None:
    async def handle(task: Task, context: Context) -> AsyncIterator[Out]:
        yield Out("logs.p.j", Task(name=task.name + " one"))
        yield Out("logs.p.j", Task(name=task.name + " two"))
        yield Out("logs.p.j", Task(name="named"), msg_id="own")

    async with working(Worker(work, WORK, handle, Task)):
        await give(work, "a")
        await empty(work)
    stored = await work.page("LOGS", "logs.p.j")
    assert [one.headers["Nats-Msg-Id"] for one in stored] == ["a.0", "a.1", "own"]
    assert [msgspec.json.decode(one.data)["name"] for one in stored] == ["a one", "a two", "named"]


async def test_a_message_handled_twice_publishes_once(work: NatsBus) -> None:
    seen: list[int] = []

    async def handle(task: Task, context: Context) -> AsyncIterator[Out]:
        seen.append(context.deliveries)
        yield Out("logs.p.j", task)
        if context.deliveries == 1:
            raise Retry("after publishing, before the ack", delay=0.05)

    async with working(Worker(work, WORK, handle, Task)):
        await give(work, "a")
        await empty(work)
    assert seen == [1, 2]
    assert await work.count("LOGS") == 1


async def test_retry_comes_back_after_its_delay_and_is_never_counted_as_failure(work: NatsBus) -> None:
    async def handle(_: Task, context: Context) -> AsyncIterator[Out]:
        if context.deliveries < 8:
            raise Retry("the model endpoint is down", delay=0.01)
        yield Out("logs.p.j", Task(name="done"))

    async with working(Worker(work, WORK, handle, Task, max_deliveries=2)):
        await give(work, "a")
        await empty(work)
    assert await work.count("LOGS") == 1
    assert await dead.list(work) == []


async def test_reject_is_a_dead_letter_with_the_reason_at_once(work: NatsBus) -> None:
    async def handle(_: Task, __: Context) -> AsyncIterator[Out]:
        for out in NO_OUTS:
            yield out
        raise Reject("the project was deleted")

    async with working(Worker(work, WORK, handle, Task)):
        await give(work, "a")
        (letter,) = await letters(work, 1)
        await empty(work)
    assert (letter.subject, letter.reason, letter.deliveries) == ("requests.fix.p.a", "the project was deleted", 1)
    assert letter.service == "test"
    assert msgspec.json.decode(letter.data) == {"v": 1, "name": "a"}


async def test_a_bug_is_retried_until_the_limit_then_dead(work: NatsBus) -> None:
    seen: list[int] = []

    async def handle(_: Task, context: Context) -> AsyncIterator[Out]:
        seen.append(context.deliveries)
        for out in NO_OUTS:
            yield out
        raise ZeroDivisionError("division by zero")

    async with working(Worker(work, WORK, handle, Task, max_deliveries=2)):
        await give(work, "a")
        (letter,) = await letters(work, 1)
        await empty(work)
    assert seen == [1, 2]
    assert letter.reason == "ZeroDivisionError: division by zero"


async def test_a_cancellation_inside_a_handler_is_a_bug_of_it_and_ends_no_worker(work: NatsBus) -> None:
    done: list[str] = []

    async def handle(task: Task, _: Context) -> AsyncIterator[Out]:
        if task.name == "bad":
            raise asyncio.CancelledError
        done.append(task.name)
        for out in NO_OUTS:
            yield out

    async with working(Worker(work, WORK, handle, Task, slots=1, max_deliveries=1)):
        await give(work, "bad", "good")
        (letter,) = await letters(work, 1)
        await empty(work)
    assert done == ["good"]
    assert "cancelled" in letter.reason


async def test_bytes_that_do_not_decode_are_dead_at_once_and_block_nobody(work: NatsBus) -> None:
    done: list[str] = []

    async def handle(task: Task, _: Context) -> AsyncIterator[Out]:
        done.append(task.name)
        for out in NO_OUTS:
            yield out

    async with working(Worker(work, WORK, handle, Task)):
        await work.publish("requests.fix.p.bad", b"\xff{")
        await work.publish("requests.fix.p.wrong", b'{"name": 5}')
        await give(work, "good")
        found = await letters(work, 2)
        await empty(work)
    assert done == ["good"]
    assert "name" in found[1].reason


async def test_a_dead_letter_can_be_tried_again_or_dropped(work: NatsBus) -> None:
    broken = True

    async def handle(task: Task, _: Context) -> AsyncIterator[Out]:
        if broken:
            raise Reject("broken")
        yield Out("logs.p.j", task)

    async with working(Worker(work, WORK, handle, Task)):
        await give(work, "a", "b")
        first, second = await letters(work, 2)
        broken = False
        await dead.retry(work, first.id)
        await dead.drop(work, second.id)
        await empty(work)
        await letters(work, 0)
    assert await work.count("LOGS") == 1
    with pytest.raises(dead.NotFound):
        await dead.drop(work, second.id)


async def test_a_handler_that_takes_longer_than_ack_wait_keeps_its_message(work: NatsBus) -> None:
    seen: list[int] = []
    release = asyncio.Event()

    async def handle(_: Task, context: Context) -> AsyncIterator[Out]:
        seen.append(context.deliveries)
        await release.wait()
        for out in NO_OUTS:
            yield out

    async with working(Worker(work, WORK, handle, Task)):
        await give(work, "a")
        await eventually(lambda: seen == [1])
        assert await work.fetch(WORK, expires=2 * WORK.ack_wait) == []
        release.set()
        await empty(work)
    assert seen == [1]


async def test_slots_bound_how_many_run_at_once(work: NatsBus) -> None:
    running, most, release = 0, 0, asyncio.Event()

    async def handle(_: Task, __: Context) -> AsyncIterator[Out]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1
        for out in NO_OUTS:
            yield out

    async with working(Worker(work, WORK, handle, Task, slots=3)):
        await give(work, *"abcdefgh")
        await eventually(lambda: running == 3)
        release.set()
        await empty(work)
    assert most == 3


class Slots:
    """An Admission of ``count`` that notes what happens to it."""

    def __init__(self, count: int) -> None:
        self.free = asyncio.Semaphore(count)
        self.held = 0

    async def acquire(self) -> None:
        await self.free.acquire()
        self.held += 1

    def release(self) -> None:
        self.held -= 1
        self.free.release()


async def test_an_admitted_message_holds_its_leave_beyond_the_ack(work: NatsBus) -> None:
    slots, taken = Slots(2), []

    async def handle(task: Task, _: Context) -> AsyncIterator[Out]:
        taken.append(task.name)
        for out in NO_OUTS:
            yield out

    async with working(Worker(work, WORK, handle, Task, admission=slots)):
        await give(work, "a", "b", "c")
        await eventually(lambda: len(taken) == 2)
        assert await work.count("REQUESTS") >= 1
        slots.release()  # the owner of the first attempt has finished it
        await eventually(lambda: len(taken) == 3)
        await empty(work)
    assert taken == ["a", "b", "c"]
    assert slots.held == 2  # c's and b's: their owners never finished; the idle leave was returned


async def test_a_failed_handler_and_an_idle_stop_give_the_leave_back(work: NatsBus) -> None:
    slots = Slots(1)

    async def handle(_: Task, __: Context) -> AsyncIterator[Out]:
        for out in NO_OUTS:
            yield out
        raise Reject("no")

    async with working(Worker(work, WORK, handle, Task, admission=slots)):
        await give(work, "a", "b")
        await letters(work, 2)
        await eventually(lambda: slots.held == 1)
    assert slots.held == 0


async def test_a_stop_finishes_what_runs_and_leaves_the_rest_in_the_queue(work: NatsBus) -> None:
    done: list[str] = []
    started, release = asyncio.Event(), asyncio.Event()

    async def handle(task: Task, _: Context) -> AsyncIterator[Out]:
        started.set()
        await release.wait()
        done.append(task.name)
        for out in NO_OUTS:
            yield out

    async with working(Worker(work, WORK, handle, Task, slots=1)) as stop:
        await give(work, "a", "b")
        await started.wait()
        stop.set()
        release.set()
    assert done == ["a"]
    (rest,) = await work.fetch(WORK, expires=5)
    assert (rest.subject, rest.deliveries) == ("requests.fix.p.b", 1)


async def test_a_worker_that_dies_has_its_message_done_by_another(nats: NatsServer, work: NatsBus) -> None:
    other = await connect(nats.url, service="other")
    started = asyncio.Event()

    async def hang(_: Task, __: Context) -> AsyncIterator[Out]:
        started.set()
        await asyncio.Event().wait()
        for out in NO_OUTS:
            yield out

    async def finish(task: Task, _: Context) -> AsyncIterator[Out]:
        yield Out("logs.p.j", task)

    dying = asyncio.create_task(Worker(other, WORK, hang, Task).run(asyncio.Event()))
    await give(work, "a")
    await started.wait()
    dying.cancel()
    await asyncio.wait({dying})
    async with working(Worker(work, WORK, finish, Task)):
        await empty(work)
    await other.close()
    assert await work.count("LOGS") == 1


async def test_workers_go_on_after_the_server_was_killed_and_restarted(nats: NatsServer, work: NatsBus) -> None:
    async def handle(task: Task, _: Context) -> AsyncIterator[Out]:
        yield Out("logs.p.j", task)

    async with working(Worker(work, WORK, handle, Task), Worker(work, WORK, handle, Task)):
        await give(work, *[f"a{n}" for n in range(50)])
        await nats.restart()
        await give(work, *[f"b{n}" for n in range(50)])
        await empty(work)
    assert await work.count("LOGS") == 100


async def test_a_type_for_each_subject_filter_is_decoded(work: NatsBus) -> None:
    class Other(Message, frozen=True, kw_only=True):
        number: int

    seen: list[Any] = []

    async def handle(message: Task | Other, _: Context) -> AsyncIterator[Out]:
        seen.append(message)
        for out in NO_OUTS:
            yield out

    types = {"requests.fix.p.*": Task, "requests.fix.q.*": Other}
    async with working(Worker(work, WORK, handle, types)):
        await give(work, "a")
        await work.publish("requests.fix.q.a", b'{"number": 1}')
        await empty(work)
    assert sorted(map(repr, seen)) == sorted(map(repr, [Task(name="a"), Other(number=1)]))


HandleBatch = Callable[[list[Item[Task]]], Awaitable[Sequence[Result]]]


async def test_a_batch_is_one_call_and_each_item_has_its_own_outcome(work: NatsBus) -> None:
    sizes: list[int] = []

    async def handle(items: list[Item[Task]]) -> Sequence[Result]:
        sizes.append(len(items))
        return [outcome(item) for item in items]

    def outcome(item: Item[Task]) -> Result:
        if item.message.name.startswith("bad"):
            return Reject("bad one")
        if item.message.name.startswith("later") and item.context.deliveries == 1:
            return Retry("later", delay=0.05)
        return Done([Out("logs.p.j", item.message)])

    await give(work, *[f"a{n}" for n in range(60)], "bad1", "later1", *[f"b{n}" for n in range(60)])
    await work.publish("requests.fix.p.x", b"garbage")
    async with working(BatchWorker(work, WORK, handle, Task, size=100)):
        await empty(work)
        found = await letters(work, 2)
    assert sizes[0] == 100
    assert await work.count("LOGS") == 121
    assert sorted(letter.subject for letter in found) == ["requests.fix.p.bad1", "requests.fix.p.x"]


async def test_a_batch_handler_that_raises_hands_all_of_it_back(work: NatsBus) -> None:
    calls = 0

    async def handle(items: list[Item[Task]]) -> Sequence[Result]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("disk full")
        return [Done()] * len(items)

    await give(work, "a", "b")
    async with working(BatchWorker(work, WORK, handle, Task)):
        await empty(work)
    assert calls >= 2
    assert await dead.list(work) == []
