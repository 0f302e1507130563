"""The bus over NATS: one object per service, made by ``connect``."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Final, TypeVar

from messaging import deliveries, provisioning, publishing, reading, serving
from messaging.link import Link
from messaging.objects import NatsObjects
from messaging.ports import Call, CaughtUp, Delivery, PubAck, Stored
from messaging.state import NatsState
from messaging.tail import View, tail
from messaging.topology import BUCKETS, Consumer, consumer_spec
from schemas.subjects import OBJECTS

T = TypeVar("T")
CONNECT_SECONDS: Final = 10.0


async def connect(url: str, *, service: str, creds: str = "", within: float = CONNECT_SECONDS) -> "NatsBus":
    """Connect to one or more comma-separated URLs; raises Unavailable after ``within`` seconds.

    ``creds``: path of a file with one line ``user:password``, or of a NATS ``.creds`` file. Once connected, the bus
    reconnects for ever by itself.
    """
    link = Link(service)
    await link.open(url, creds, within)
    return NatsBus(link)


class NatsBus:
    """Implements ports.Bus; what each method promises is said there."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.service = link.service

    async def publish(
        self, subject: str, data: bytes, *, msg_id: str | None = None, headers: Mapping[str, str] | None = None
    ) -> PubAck:
        return await publishing.publish(self.link, subject, data, publishing.with_id(msg_id, headers))

    async def post(
        self, subject: str, data: bytes, *, msg_id: str, headers: Mapping[str, str] | None = None, timeout: float = 2.0
    ) -> "asyncio.Future[PubAck]":
        return await publishing.post(self.link, subject, data, publishing.with_id(msg_id, headers), timeout)

    async def fetch(self, consumer: str | Consumer, *, batch: int = 1, expires: float = 5.0) -> list[Delivery]:
        return await deliveries.fetch(self.link, consumer_spec(consumer), batch, expires)

    async def ensure_consumer(self, consumer: Consumer) -> None:
        await provisioning.ensure_consumer(self.link, consumer)

    async def request(
        self, subject: str, data: bytes, *, timeout: float = 5.0, headers: Mapping[str, str] | None = None
    ) -> bytes:
        return await serving.request(self.link, subject, data, timeout, headers)

    async def serve(
        self, subject: str, handler: Callable[[Call], Awaitable[bytes]], *, queue: str | None = None, slots: int = 64
    ) -> serving.Served:
        served = serving.Served(self.link, handler, slots)
        await served.start(subject, self.service if queue is None else queue)
        return served

    async def last(self, stream: str, subject: str) -> Stored | None:
        return await reading.last(self.link, stream, subject)

    async def page(self, stream: str, subject: str, *, after: int = 0, limit: int = 200) -> list[Stored]:
        return await reading.page(self.link, stream, subject, after, limit)

    def follow(
        self, stream: str, subjects: list[str], *, after: int | None = 0
    ) -> AsyncGenerator[Stored | CaughtUp, None]:
        return tail(self.link, View(stream, tuple(subjects)), after=after)

    def state(self, bucket: str, type_: type[T]) -> NatsState[T]:
        return NatsState(self.link, BUCKETS[bucket], type_)

    def objects(self) -> NatsObjects:
        return NatsObjects(self.link, OBJECTS)

    async def count(self, stream: str, subject: str = ">") -> int:
        return await reading.count(self.link, stream, subject)

    async def remove(self, stream: str, sequence: int, *, erase: bool = False) -> None:
        await reading.remove(self.link, stream, sequence, erase=erase)

    async def ping(self) -> float:
        return await self.link.ping()

    async def close(self) -> None:
        await self.link.close()
