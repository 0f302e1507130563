"""Live fan-out: one follower of a stream shared by all who watch the same subjects (one consumer, not a thousand).

The hub keeps the newest messages in a ring. A viewer is a cursor: while it is inside the ring it reads from there, else
it pages from the stream until it is. So a resumed viewer and a live one take the same path, and a slow one costs
nothing but its own paging.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from messaging.pages import Pages
from messaging.ports import Bus, BusError, CaughtUp, Stored
from runtime.logs import logger

log = logger("messaging.hub")

RING_MESSAGES: Final = 4096
RING_BYTES: Final = 8 * 1024 * 1024
IDLE_SECONDS: Final = 10.0
JOINED_BYTES: Final = 128 * 1024  # in one piece; a viewer that does not read holds two of them at most
TURN: Final = 64
# With many viewers they are woken less often: waking a thousand for each message would keep the loop busy with nothing
# else, and all of them would see everything later than with a pause of 50 ms.
COALESCE_SECONDS_PER_VIEWER: Final = 50e-6
COALESCE_SECONDS_MOST: Final = 0.06
MANY_VIEWERS: Final = 32


@dataclass(frozen=True, slots=True)
class Lagged:
    """The viewer was slower than the ring; what it missed follows, read from the stream."""

    after: int


@dataclass(frozen=True, slots=True)
class Frames:
    """Rendered messages joined in one piece; ``sequence`` is the last one's."""

    data: bytes
    sequence: int
    count: int


class LogHub:
    """See the module. ``render`` turns a message into bytes once for all viewers that use ``join_frames``."""

    def __init__(
        self, bus: Bus, stream: str, subjects: list[str], *, render: Callable[[Stored], bytes] | None = None
    ) -> None:
        self._bus, self._stream, self._subjects = bus, stream, list(subjects)
        self._render = render or (lambda stored: stored.data)
        self._items: list[Stored] = []
        self._frames: list[bytes] = []
        self._sequences: list[int] = []
        self._bytes = 0
        self._floor = -1  # the ring holds everything after this sequence; -1 until the follower has begun
        self._changed = asyncio.Event()
        self._waking: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._failure: BusError | None = None
        self._pages = Pages(bus, stream, self._subjects, self._render)
        self._shared: _Shared | None = None
        self.viewers = 0

    async def join(self, after: int) -> AsyncGenerator[Stored | CaughtUp | Lagged, None]:
        """Messages with sequence > ``after``, CaughtUp once at the newest, Lagged where the ring was missed."""
        async with aclosing(self._walk(after)) as steps:
            async for step in steps:
                if isinstance(step, CaughtUp | Lagged):
                    yield step
                else:
                    for stored, _ in step:
                        yield stored

    async def join_frames(self, after: int) -> AsyncGenerator[Frames | CaughtUp | Lagged, None]:
        """The same, as rendered bytes, as many messages joined as are there."""
        async with aclosing(self._walk(after)) as steps:
            async for step in steps:
                if isinstance(step, CaughtUp | Lagged):
                    yield step
                elif (shared := self._shared) is not None and shared.step is step:
                    yield shared.frames or shared.join()
                else:
                    for frames in _joined(step):
                        yield frames

    async def close(self) -> None:
        """End the follower; viewers end too."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._pages.close()

    async def _walk(self, after: int) -> AsyncGenerator[list[tuple[Stored, bytes]] | CaughtUp | Lagged, None]:
        self.viewers += 1
        try:
            await self._begin()
            cursor, joined = after, False
            while True:
                changed = self._changed
                if cursor < self._floor:
                    if joined:
                        yield Lagged(cursor)
                    step, complete_to = await self._pages.get(cursor, self._floor)
                    if not step:
                        cursor = max(cursor, complete_to)  # the stream holds nothing between
                        continue
                else:
                    step = self._from_ring(cursor)
                if step:
                    cursor = step[-1][0].sequence
                    yield step
                else:
                    if not joined:
                        joined = True
                        yield CaughtUp(cursor)
                    if self._failure is not None:
                        raise self._failure
                    await changed.wait()
        finally:
            self.viewers -= 1

    async def _begin(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._follow(), name=f"hub {self._stream} {self._subjects}")
        while self._floor < 0:
            changed = self._changed
            if self._failure is not None:
                raise self._failure
            await changed.wait()

    async def _follow(self) -> None:
        try:
            async with aclosing(self._bus.follow(self._stream, self._subjects, after=None)) as items:
                async for item in items:
                    if isinstance(item, Stored):
                        self._push(item)
                        if item.sequence % TURN == 0:  # a burst must not outrun the ring before viewers had their turn
                            self._wake()
                            await asyncio.sleep(0)
                    elif self._floor < 0:
                        self._floor = item.sequence
                    self._notify()
        except BusError as error:
            log.error("hub.failed", stream=self._stream, reason=str(error))
            self._failure = error
        finally:
            self._failure = self._failure or BusError("the hub was closed")
            self._wake()

    def _push(self, stored: Stored) -> None:
        self._items.append(stored)
        self._sequences.append(stored.sequence)
        self._frames.append(frame := self._render(stored))
        self._bytes += len(frame) + len(stored.data)
        if len(self._items) > RING_MESSAGES or self._bytes > RING_BYTES:
            self._drop_oldest(max(1, len(self._items) // 4))

    def _drop_oldest(self, count: int) -> None:
        self._floor = self._sequences[count - 1]
        self._bytes -= sum(
            len(frame) + len(stored.data)
            for frame, stored in zip(self._frames[:count], self._items[:count], strict=True)
        )
        del self._items[:count], self._frames[:count], self._sequences[:count]

    def _from_ring(self, cursor: int) -> list[tuple[Stored, bytes]]:
        """What lies after a cursor. Nearly all viewers stand at the same one: they share the list and what is made of
        it, and a thousand of them cost little more than their writes."""
        newest = self._sequences[-1] if self._sequences else cursor
        shared = self._shared
        if shared is not None and (shared.after, shared.to) == (cursor, newest):
            return shared.step
        start = bisect_right(self._sequences, cursor)
        step = list(zip(self._items[start:], self._frames[start:], strict=True))
        fits = step and sum(len(frame) for _, frame in step) < JOINED_BYTES
        self._shared = _Shared(cursor, newest, step) if fits else None
        return step

    def _notify(self) -> None:
        if self.viewers <= MANY_VIEWERS:
            self._wake()
        elif self._waking is None:
            pause = min(self.viewers * COALESCE_SECONDS_PER_VIEWER, COALESCE_SECONDS_MOST)
            self._waking = asyncio.get_running_loop().call_later(pause, self._wake)

    def _wake(self) -> None:
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        self._changed.set()
        self._changed = asyncio.Event()


class _Shared:
    """The step of all viewers that stand at ``after`` while the ring ends at ``to``; small enough for one piece."""

    def __init__(self, after: int, to: int, step: list[tuple[Stored, bytes]]) -> None:
        self.after, self.to, self.step = after, to, step
        self.frames: Frames | None = None

    def join(self) -> Frames:
        self.frames = Frames(b"".join(frame for _, frame in self.step), self.to, len(self.step))
        return self.frames


def _joined(step: list[tuple[Stored, bytes]]) -> Iterator[Frames]:
    """Rendered messages in pieces of about JOINED_BYTES; made one by one, as they are asked for."""
    held: list[bytes] = []
    size = 0
    for stored, frame in step:
        held.append(frame)
        size += len(frame)
        if size >= JOINED_BYTES or stored is step[-1][0]:
            yield Frames(b"".join(held), stored.sequence, len(held))
            held, size = [], 0


class Hubs:
    """The hubs of one process by stream and subjects; one that nobody watches for ten seconds is closed."""

    def __init__(self, bus: Bus, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._bus, self._idle_seconds = bus, idle_seconds
        self._hubs: dict[tuple[str, tuple[str, ...], object], LogHub] = {}
        self._sweeper: asyncio.Task[None] | None = None

    def get(self, stream: str, subjects: list[str], *, render: Callable[[Stored], bytes] | None = None) -> LogHub:
        """The hub of these subjects and this ``render`` (the same function object shares a hub)."""
        key = (stream, tuple(sorted(subjects)), render)
        hub = self._hubs.get(key)
        if hub is None or hub._failure is not None:
            hub = self._hubs[key] = LogHub(self._bus, stream, subjects, render=render)
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep(), name="hub-sweeper")
        return hub

    def __len__(self) -> int:
        return len(self._hubs)

    async def close(self) -> None:
        """End all hubs."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait({self._sweeper})
        await asyncio.gather(*(hub.close() for hub in self._hubs.values()))
        self._hubs.clear()

    async def _sweep(self) -> None:
        idle: set[tuple[str, tuple[str, ...], object]] = set()
        while True:
            await asyncio.sleep(self._idle_seconds)
            unwatched = {key for key, hub in self._hubs.items() if hub.viewers == 0}
            for key in unwatched & idle:
                await self._hubs.pop(key).close()
            idle = unwatched - idle
