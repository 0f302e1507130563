"""One follower for all viewers: live, resumed, slow, over restarts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from messaging import hub as hub_module
from messaging.connection import NatsBus
from messaging.hub import Frames, Hubs, Lagged, LogHub
from messaging.ports import CaughtUp, Stored
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer


async def put(bus: NatsBus, *numbers: int, size: int = 0) -> None:
    answers = [
        await bus.post("logs.p.j", b"%d" % number + b" " * size, msg_id=f"m{number}", timeout=20) for number in numbers
    ]
    await asyncio.gather(*answers)


class Viewer:
    """Reads from a hub in a task of its own and keeps what it saw."""

    def __init__(self, hub: LogHub, after: int = 0) -> None:
        self.seen: list[int] = []
        self.marks: list[CaughtUp | Lagged] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.task = asyncio.create_task(self._read(hub.join(after)))

    async def _read(self, steps: AsyncGenerator[Stored | CaughtUp | Lagged, None]) -> None:
        async with aclosing(steps):
            async for step in steps:
                if isinstance(step, Stored):
                    self.seen.append(int(step.data))
                else:
                    self.marks.append(step)
                await self.gate.wait()

    async def sees(self, count: int, within: float = 10) -> list[int]:
        await eventually(lambda: len(self.seen) >= count, within)
        return self.seen

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


async def test_viewers_that_join_at_any_time_see_every_message_once(bus: NatsBus) -> None:
    hub = LogHub(bus, "LOGS", ["logs.p.j"])
    await put(bus, *range(1200))
    early = Viewer(hub)
    await early.sees(1200)
    await put(bus, *range(1200, 1300))
    late, resumed = Viewer(hub), Viewer(hub, after=1250)
    await put(bus, *range(1300, 1400))
    assert await early.sees(1400) == list(range(1400))
    assert await late.sees(1400) == list(range(1400))
    assert await resumed.sees(150) == list(range(1250, 1400))
    for viewer in (early, late, resumed):
        assert [type(mark) for mark in viewer.marks] == [CaughtUp]
        await viewer.leave()
    await hub.close()


async def test_a_thousand_viewers_share_one_consumer(bus: NatsBus) -> None:
    hubs = Hubs(bus)
    viewers = [Viewer(hubs.get("LOGS", ["logs.p.j"])) for _ in range(1000)]
    await eventually(lambda: all(viewer.marks for viewer in viewers), within=20)
    await put(bus, *range(50))
    for viewer in viewers:
        assert await viewer.sees(50) == list(range(50))
    info = await bus.link.call("$JS.API.STREAM.INFO.LOGS")
    assert b'"consumer_count":1' in info.data
    for viewer in viewers:
        viewer.task.cancel()
    await hubs.close()


async def test_a_thousand_viewers_who_return_at_once_read_the_past_together(nats: NatsServer, bus: NatsBus) -> None:
    await put(bus, *range(1500))
    hub = LogHub(bus, "LOGS", ["logs.p.j"])
    viewers = [Viewer(hub, after=number % 7) for number in range(1000)]
    for number, viewer in enumerate(viewers):
        assert await viewer.sees(1500 - number % 7, within=30) == list(range(number % 7, 1500))
    for viewer in viewers:
        viewer.task.cancel()
    await hub.close()


async def test_a_viewer_who_returns_while_the_broker_is_away_waits_for_it(nats: NatsServer, bus: NatsBus) -> None:
    await put(bus, *range(10))
    hub = LogHub(bus, "LOGS", ["logs.p.j"])
    first = Viewer(hub)
    await first.sees(10)
    await nats.kill9()
    late = Viewer(hub)
    await nats.start()
    assert await late.sees(10, within=15) == list(range(10))
    await first.leave()
    await late.leave()
    await hub.close()


async def test_a_slow_viewer_falls_off_the_ring_and_reads_the_rest_from_the_stream(bus: NatsBus) -> None:
    hub = LogHub(bus, "LOGS", ["logs.p.j"])
    slow, quick = Viewer(hub), Viewer(hub)
    await put(bus, 0)
    await slow.sees(1)
    slow.gate.clear()
    total = hub_module.RING_MESSAGES + 2000
    for start in range(1, total, 500):
        await put(bus, *range(start, min(start + 500, total)))
    assert await quick.sees(total) == list(range(total))
    slow.gate.set()
    assert await slow.sees(total, within=20) == list(range(total))
    assert any(isinstance(mark, Lagged) for mark in slow.marks)
    await slow.leave()
    await quick.leave()
    await hub.close()


async def test_the_ring_is_bounded_in_bytes(bus: NatsBus) -> None:
    hub = LogHub(bus, "LOGS", ["logs.p.j"])
    viewer = Viewer(hub)
    await eventually(lambda: bool(viewer.marks))
    for start in range(0, 200, 20):
        await put(bus, *range(start, start + 20), size=200_000)
    assert await viewer.sees(200, within=20) == list(range(200))
    assert hub._bytes <= hub_module.RING_BYTES
    await viewer.leave()
    await hub.close()


async def test_viewers_see_all_over_a_server_restart(nats: NatsServer, bus: NatsBus) -> None:
    hub = LogHub(bus, "LOGS", ["logs.p.j"])
    viewers = [Viewer(hub), Viewer(hub)]
    await put(bus, *range(100))
    await viewers[0].sees(100)
    await nats.restart()
    await bus.publish("logs.p.j", b"100")
    late = Viewer(hub)
    for viewer in [*viewers, late]:
        assert await viewer.sees(101, within=15) == list(range(101))
        await viewer.leave()
    await hub.close()


async def test_frames_are_rendered_once_and_joined(bus: NatsBus) -> None:
    rendered: list[int] = []

    def render(stored: Stored) -> bytes:
        rendered.append(stored.sequence)
        return b"data: " + stored.data + b"\n\n"

    hubs = Hubs(bus)
    hub = hubs.get("LOGS", ["logs.p.j"], render=render)
    assert hubs.get("LOGS", ["logs.p.j"], render=render) is hub

    live: list[CaughtUp] = []

    async def read() -> bytes:
        data = b""
        async with aclosing(hub.join_frames(0)) as steps:
            async for step in steps:
                if isinstance(step, Frames):
                    data += step.data
                elif isinstance(step, CaughtUp):
                    live.append(step)
                if data.count(b"\n\n") == 20:
                    return data
        raise AssertionError("the hub ended")

    readers = [asyncio.create_task(read()) for _ in range(10)]
    await eventually(lambda: len(live) == 10, within=30)  # none of them reads the past, which is rendered by itself
    await put(bus, *range(20))
    expected = b"".join(b"data: %d\n\n" % number for number in range(20))
    assert await asyncio.gather(*readers) == [expected] * 10
    assert len(rendered) == 20
    await hubs.close()


async def test_a_hub_that_nobody_watches_is_closed(bus: NatsBus) -> None:
    hubs = Hubs(bus, idle_seconds=0.1)
    viewer = Viewer(hubs.get("LOGS", ["logs.p.j"]))
    await eventually(lambda: bool(viewer.marks))
    await viewer.leave()
    await eventually(lambda: len(hubs) == 0)
    await hubs.close()


async def test_several_subjects_are_one_ordered_view(bus: NatsBus) -> None:
    for number in range(40):
        await bus.publish(f"logs.p.{'ab'[number % 2]}", b"%d" % number)
    hub = LogHub(bus, "LOGS", ["logs.p.a", "logs.p.b"])
    viewer = Viewer(hub, after=10)
    assert await viewer.sees(30) == list(range(10, 40))
    await bus.publish("logs.p.b", b"40")
    assert await viewer.sees(31) == list(range(10, 41))
    await viewer.leave()
    await hub.close()
