"""The bus of one service over a MemoryBroker."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TypeVar

from messaging.memory.broker import MemoryBroker, Service
from messaging.memory.state import MemoryState
from messaging.ports import BusError, Call, CaughtUp, Delivery, PubAck, Stored, Unavailable
from messaging.topology import BUCKETS, Consumer, consumer_spec
from runtime import ids, telemetry

T = TypeVar("T")
_FINISH_SECONDS = 5.0


class MemoryObjects:
    """Implements ports.Objects."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects = objects

    async def put(self, name: str, data: bytes) -> str:
        self._objects[name] = bytes(data)
        return "SHA-256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()

    async def get(self, name: str) -> bytes | None:
        return self._objects.get(name)

    async def delete(self, name: str) -> None:
        self._objects.pop(name, None)

    async def names(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self._objects if name.startswith(prefix))


class MemorySubscription:
    """A served subject of a MemoryBus."""

    def __init__(self, broker: MemoryBroker, service: Service) -> None:
        self._broker, self._service = broker, service

    async def stop(self) -> None:
        if self._service in self._broker.services:
            self._broker.services.remove(self._service)
        if self._service.running:
            await asyncio.wait(self._service.running, timeout=_FINISH_SECONDS)


class MemoryBus:
    """Implements ports.Bus. Buses of several services share one broker."""

    def __init__(self, service: str, broker: MemoryBroker | None = None) -> None:
        self.service = service
        self.broker = broker or MemoryBroker()
        self._closed = False

    async def publish(
        self, subject: str, data: bytes, *, msg_id: str | None = None, headers: Mapping[str, str] | None = None
    ) -> PubAck:
        self._refuse_closed()
        merged = {**(headers or {}), "Nats-Msg-Id": msg_id or ids.new_id()}
        telemetry.inject(merged)
        await asyncio.sleep(0)
        return self.broker.owner(subject).publish(subject, data, merged)

    async def post(
        self, subject: str, data: bytes, *, msg_id: str, headers: Mapping[str, str] | None = None, timeout: float = 2.0
    ) -> "asyncio.Future[PubAck]":
        future: asyncio.Future[PubAck] = asyncio.get_running_loop().create_future()
        future.set_result(await self.publish(subject, data, msg_id=msg_id, headers=headers))
        return future

    async def fetch(self, consumer: str | Consumer, *, batch: int = 1, expires: float = 5.0) -> list[Delivery]:
        self._refuse_closed()
        return await self.broker.consumer(consumer_spec(consumer).name).fetch(batch, expires)

    async def ensure_consumer(self, consumer: Consumer) -> None:
        self.broker.add(consumer)

    async def request(
        self, subject: str, data: bytes, *, timeout: float = 5.0, headers: Mapping[str, str] | None = None
    ) -> bytes:
        self._refuse_closed()
        service = self.broker.responder(subject)
        task = asyncio.ensure_future(self._run(service, Call(subject, data, dict(headers or {}))))
        service.running.add(task)
        task.add_done_callback(service.running.discard)
        done, _ = await asyncio.wait({task}, timeout=timeout)
        if not done:
            raise Unavailable(f"no answer on {subject} within {timeout:g} s; the outcome is unknown")
        error = task.exception()
        if error is not None:
            raise BusError(f"{subject}: {type(error).__name__}: {error}") from error
        return task.result()

    async def _run(self, service: Service, call: Call) -> bytes:
        async with service.slots:
            return await service.handler(call)

    async def serve(
        self, subject: str, handler: Callable[[Call], Awaitable[bytes]], *, queue: str | None = None, slots: int = 64
    ) -> MemorySubscription:
        service = Service(subject, self.service if queue is None else queue, handler, asyncio.Semaphore(slots))
        self.broker.services.append(service)
        return MemorySubscription(self.broker, service)

    async def last(self, stream: str, subject: str) -> Stored | None:
        return self.broker.streams[stream].last(subject)

    async def page(self, stream: str, subject: str, *, after: int = 0, limit: int = 200) -> list[Stored]:
        return self.broker.streams[stream].after(after, (subject,), limit)

    async def follow(
        self, stream: str, subjects: list[str], *, after: int | None = 0
    ) -> AsyncGenerator[Stored | CaughtUp, None]:
        source = self.broker.streams[stream]
        cursor = source.last_seq if after is None else after
        told = False
        while True:
            changed = source.changed
            for stored in source.after(cursor, tuple(subjects)):
                cursor = stored.sequence
                yield stored
            if not told:
                told = True
                yield CaughtUp(cursor)
            await changed.wait()

    def state(self, bucket: str, type_: type[T]) -> MemoryState[T]:
        return MemoryState(self.broker.streams[f"KV_{bucket}"], BUCKETS[bucket], type_)

    def objects(self) -> MemoryObjects:
        return MemoryObjects(self.broker.objects)

    async def count(self, stream: str, subject: str = ">") -> int:
        return len(self.broker.streams[stream].after(0, (subject,)))

    async def remove(self, stream: str, sequence: int, *, erase: bool = False) -> None:
        self.broker.streams[stream].remove(sequence)

    async def ping(self) -> float:
        self._refuse_closed()
        return 0.0

    async def close(self) -> None:
        self._closed = True

    def _refuse_closed(self) -> None:
        if self._closed:
            raise BusError("the bus is closed")
