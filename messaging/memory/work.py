"""A durable pull consumer in memory: redelivery after ack_wait, the four answers, at most ``pending`` out at once."""

import asyncio
from collections.abc import Mapping

from messaging.memory.streams import MemoryStream
from messaging.ports import Delivery, Stored
from messaging.topology import Consumer


class MemoryDelivery:
    """A Delivery of a MemoryConsumer. An answer of an expired delivery counts all the same, as in NATS."""

    def __init__(self, consumer: "MemoryConsumer", stored: Stored, deliveries: int) -> None:
        self._consumer, self._stored, self._deliveries = consumer, stored, deliveries

    @property
    def subject(self) -> str:
        return self._stored.subject

    @property
    def data(self) -> bytes:
        return self._stored.data

    @property
    def headers(self) -> Mapping[str, str]:
        return self._stored.headers

    @property
    def stream(self) -> str:
        return self._consumer.stream.spec.name

    @property
    def sequence(self) -> int:
        return self._stored.sequence

    @property
    def deliveries(self) -> int:
        return self._deliveries

    @property
    def time(self) -> float:
        return self._stored.time

    async def ack(self) -> None:
        self._consumer.end(self.sequence)

    async def nak(self, delay: float = 0.0) -> None:
        self._consumer.hand_back(self.sequence, delay)

    async def term(self, reason: str = "") -> None:
        self._consumer.end(self.sequence)

    async def in_progress(self) -> None:
        self._consumer.touch(self.sequence)


class MemoryConsumer:
    """The broker's side of a consumer."""

    def __init__(self, stream: MemoryStream, spec: Consumer) -> None:
        self.stream, self.spec = stream, spec
        self._cursor = 0
        self._again: list[int] = []
        self._out: dict[int, asyncio.TimerHandle] = {}
        self._counts: dict[int, int] = {}
        self._ready = asyncio.Event()

    async def fetch(self, batch: int, expires: float) -> list[Delivery]:
        """See Bus.fetch."""
        try:
            async with asyncio.timeout(expires):
                while not (found := self._take(batch)):
                    await self._wait()
        except TimeoutError:
            return []
        return list(found)

    async def _wait(self) -> None:
        self._ready.clear()
        waiters = [asyncio.ensure_future(event.wait()) for event in (self._ready, self.stream.changed)]
        try:
            await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()

    def _take(self, batch: int) -> list[MemoryDelivery]:
        found: list[MemoryDelivery] = []
        while len(found) < batch and len(self._out) < self.spec.pending:
            stored = self._next()
            if stored is None:
                break
            self._counts[stored.sequence] = self._counts.get(stored.sequence, 0) + 1
            self._start_timer(stored.sequence)
            found.append(MemoryDelivery(self, stored, self._counts[stored.sequence]))
        return found

    def _next(self) -> Stored | None:
        while self._again:
            stored = self.stream.get(self._again.pop(0))
            if stored is not None:
                return stored
        fresh = self.stream.after(self._cursor, self.spec.filters, 1)
        if not fresh:
            return None
        self._cursor = fresh[0].sequence
        return fresh[0]

    def _start_timer(self, sequence: int) -> None:
        loop = asyncio.get_running_loop()
        self._out[sequence] = loop.call_later(self.spec.ack_wait, self.hand_back, sequence, 0.0)

    def end(self, sequence: int) -> None:
        self._forget(sequence)
        self._counts.pop(sequence, None)
        if sequence in self._again:
            self._again.remove(sequence)
        if self.stream.spec.work_queue:
            self.stream.remove(sequence)
        self._ready.set()

    def hand_back(self, sequence: int, delay: float) -> None:
        self._forget(sequence)
        if delay > 0:
            asyncio.get_running_loop().call_later(delay, self.hand_back, sequence, 0.0)
        elif sequence in self._counts and sequence not in self._again:
            self._again.append(sequence)
            self._ready.set()

    def touch(self, sequence: int) -> None:
        if sequence in self._out:
            self._forget(sequence)
            self._start_timer(sequence)

    def _forget(self, sequence: int) -> None:
        timer = self._out.pop(sequence, None)
        if timer is not None:
            timer.cancel()
