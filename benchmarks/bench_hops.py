"""Single steps of a fix through the broker, ours against bare nats-py in the same run.

``python -m benchmarks.bench_hops``. Steps alternate between bare and ours, so that noise of the machine hits both.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.client import JetStreamContext

from benchmarks.measure import broker, main, median, milliseconds, tell, timed
from messaging.connection import NatsBus, connect
from messaging.ports import Call, Out
from messaging.topology import Consumer
from messaging.worker import NO_OUTS, Context, Worker
from schemas.base import Message, encode

TIMES = 400
ROUNDS = 5
BARE, OURS = Consumer("bare", "JOBS", ("jobs.bare.*.attempt",)), Consumer("ours", "JOBS", ("jobs.ours.*.attempt",))
Step = Callable[[int], Awaitable[object]]


class Note(Message, frozen=True, kw_only=True):
    text: str
    number: int = 0


async def compare(name: str, bare: Step, ours: Step) -> None:
    """Several alternating rounds of both; the ratio is of the medians of p50."""
    found: tuple[list[list[float]], list[list[float]]] = ([], [])
    for _ in range(ROUNDS):
        found[0].append(await timed(TIMES, bare))
        found[1].append(await timed(TIMES, ours))
    middle = [median([median(one) for one in rounds]) for rounds in found]
    tell(
        name,
        bare=milliseconds([value for one in found[0] for value in one]),
        ours=milliseconds([value for one in found[1] for value in one]),
        ratio=round(middle[1] / middle[0], 3),
    )


async def publishes(js: JetStreamContext, bus: NatsBus) -> None:
    data = encode(Note(text="x" * 500))

    async def bare(number: int) -> None:
        await js.publish("jobs.p.j.status", data, headers={"Nats-Msg-Id": f"b{number}.{time.time_ns()}"})

    async def ours(number: int) -> None:
        await bus.publish("jobs.p.j.status", data, msg_id=f"o{number}.{time.time_ns()}")

    await compare("publish", bare, ours)


async def states(js: JetStreamContext, bus: NatsBus) -> None:
    bucket, state = await js.key_value("jobs"), bus.state("jobs", Note)
    data = encode(Note(text="x" * 500))

    async def bare(_: int) -> None:
        entry = await bucket.get("p.bare")
        await bucket.update("p.bare", data, entry.revision)

    async def ours(_: int) -> None:
        await state.update("p.ours", lambda note: Note(text="x" * 500, number=note.number + 1 if note else 0))

    await bucket.put("p.bare", data)
    await compare("compare_and_set", bare, ours)


async def requests(client: Client, bus: NatsBus) -> None:
    async def bare_answer(message: Msg) -> None:
        await message.respond(message.data)

    async def answer(call: Call) -> bytes:
        return call.data

    await client.subscribe("bare.echo", cb=bare_answer)
    await client.flush()
    await bus.serve("ours.echo", answer)
    await compare(
        "request", lambda _: client.request("bare.echo", b"x", timeout=5), lambda _: bus.request("ours.echo", b"x")
    )


async def hops(js: JetStreamContext, bus: NatsBus) -> None:
    """Published, taken off a work consumer, in the hands of a handler."""
    await bus.ensure_consumer(BARE)
    await bus.ensure_consumer(OURS)
    waiting: dict[str, asyncio.Future[None]] = {}
    subscription = await js.pull_subscribe_bind("bare", "JOBS")

    async def bare_worker() -> None:
        while True:
            for message in await subscription.fetch(1, timeout=60):
                waiting[message.data.decode()].set_result(None)
                await message.ack()

    async def handle(note: Note, _: Context) -> AsyncIterator[Out]:
        waiting[note.text].set_result(None)
        for out in NO_OUTS:
            yield out

    async def bare(number: int) -> None:
        name = f"b{number}.{time.time_ns()}"
        waiting[name] = asyncio.get_running_loop().create_future()
        await js.publish("jobs.bare.j.attempt", name.encode())
        await waiting[name]

    async def ours(number: int) -> None:
        name = f"o{number}.{time.time_ns()}"
        waiting[name] = asyncio.get_running_loop().create_future()
        await bus.publish("jobs.ours.j.attempt", encode(Note(text=name)), msg_id=name)
        await waiting[name]

    stop = asyncio.Event()
    workers = [asyncio.create_task(bare_worker()), asyncio.create_task(Worker(bus, OURS, handle, Note).run(stop))]
    await compare("publish_to_handler", bare, ours)
    stop.set()
    workers[0].cancel()
    await asyncio.wait(workers)


async def listing(bus: NatsBus) -> None:
    """Reading one key and one project's keys stays flat while the bucket grows."""
    state = bus.state("jobs", Note)
    for size in (0, 1_000, 10_000):
        for start in range(0, size, 500):
            await asyncio.gather(*(state.put(f"fill.j{n}", Note(text="x" * 500)) for n in range(start, start + 500)))
        await state.put("few.j", Note(text="x"))
        one = await timed(200, lambda _: state.get("few.j"))
        few = await timed(50, lambda _: state.items("few"))
        every = await timed(3, lambda _: state.keys())
        tell(
            "bucket_of_finished_jobs",
            size=size,
            get=milliseconds(one),
            items_of_one_project=milliseconds(few),
            all_keys_ms=round(median(every) * 1e3, 1),
        )


async def run() -> None:
    async with broker() as server:
        client = await nats.connect(server.url)
        bus = await connect(server.url, service="bench")
        js = client.jetstream()
        await publishes(js, bus)
        await states(js, bus)
        await requests(client, bus)
        await hops(js, bus)
        await listing(bus)
        await bus.close()
        await client.close()


if __name__ == "__main__":
    main(run)
