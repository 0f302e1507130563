"""What a worker does around a handler: keep the message, judge the outcome, answer it, bury what is dead."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

import msgspec

from messaging.matching import matches
from messaging.ports import Bus, BusError, Delivery, Out, Reject, Retry
from runtime import ids, telemetry
from runtime.logs import logger
from schemas import subjects
from schemas.base import encode
from schemas.errors import DeadLetter

T = TypeVar("T")
log = logger("messaging.worker")

ABANDON_AFTER: Final = 1_000  # deliveries of one message, whatever the reason
_DATA_LIMIT: Final = 256 * 1024
Types = type[T] | Mapping[str, type[Any]]


@dataclass(frozen=True, slots=True)
class Context:
    """Where a message came from. ``msg_id`` is its Nats-Msg-Id, else ``<stream>.<sequence>``."""

    subject: str
    sequence: int
    msg_id: str
    deliveries: int
    headers: Mapping[str, str]
    received_at: datetime
    stream: str = ""
    stored_at: datetime = field(default_factory=lambda: datetime.fromtimestamp(0, UTC))


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One decoded message of a batch."""

    message: T
    context: Context


@dataclass(frozen=True, slots=True)
class Done:
    """The message is processed; ``outs`` are published before it is acknowledged."""

    outs: Sequence[Out] = ()


Result = Done | Retry | Reject


def context_of(delivery: Delivery, now: datetime) -> Context:
    """The context of a delivery received at ``now``."""
    fallback = f"{delivery.stream}.{delivery.sequence}"
    return Context(
        delivery.subject,
        delivery.sequence,
        delivery.headers.get("Nats-Msg-Id") or fallback,
        delivery.deliveries,
        delivery.headers,
        now,
        delivery.stream,
        datetime.fromtimestamp(delivery.time, UTC),
    )


def backoff(deliveries: int) -> float:
    """Seconds until the next try after a bug: 0.5, 1, 2, 4 ... 30."""
    return float(min(30.0, 0.5 * 2 ** min(deliveries - 1, 10)))


class Decoders:
    """Decode by subject. ``types`` is one type, or a type for each subject filter."""

    def __init__(self, types: Types[Any]) -> None:
        table = types if isinstance(types, Mapping) else {">": types}
        self._decoders = [(filter_, msgspec.json.Decoder(type_)) for filter_, type_ in table.items()]

    def decode(self, subject: str, data: bytes) -> Any:
        """Raises Reject with the reason."""
        for filter_, decoder in self._decoders:
            if matches(filter_, subject):
                try:
                    return decoder.decode(data)
                except msgspec.DecodeError as error:
                    raise Reject(f"it cannot be read: {error}") from error
        raise Reject(f"nothing here handles the subject {subject}")


async def publish_out(bus: Bus, out: Out, context: Context, index: int) -> None:
    """Publish one output; without an id of its own it gets ``<input id>.<index>``, so that a repeat changes nothing."""
    await bus.publish(out.subject, encode(out.message), msg_id=out.msg_id or f"{context.msg_id}.{index}")


@asynccontextmanager
async def kept(deliveries: Callable[[], Sequence[Delivery]], ack_wait: float) -> AsyncIterator[None]:
    """Tell the broker every third of ``ack_wait`` that the deliveries are still being worked on."""

    loop = asyncio.get_running_loop()
    told: set[asyncio.Task[None]] = set()

    async def tell() -> None:
        for delivery in deliveries():
            await delivery.in_progress()

    timer: asyncio.TimerHandle

    def beat() -> None:  # most handlers end before the first beat: a timer costs less than a task for each message
        nonlocal timer
        told.add(task := loop.create_task(tell()))
        task.add_done_callback(told.discard)
        timer = loop.call_later(ack_wait / 3, beat)

    timer = loop.call_later(ack_wait / 3, beat)
    try:
        yield
    finally:
        timer.cancel()


class Settler:
    """Answers deliveries of one consumer by their outcome; ``None`` means done."""

    def __init__(self, bus: Bus, consumer: str, max_deliveries: int) -> None:
        self._bus, self._consumer, self._max = bus, consumer, max_deliveries

    async def settle(self, delivery: Delivery, outcome: BaseException | None) -> str:
        """Ack, hand back or bury; the outcome's name, as counted in the metrics."""
        name = await self._answer(delivery, outcome)
        telemetry.HANDLED.labels(self._consumer, name).inc()
        return name

    async def _answer(self, delivery: Delivery, outcome: BaseException | None) -> str:
        if outcome is None:
            await delivery.ack()
            return "done"
        if isinstance(outcome, Reject):
            return await self.bury(delivery, outcome.reason)
        if delivery.deliveries >= ABANDON_AFTER:
            return await self.bury(delivery, f"given up after {delivery.deliveries} deliveries: {outcome}")
        if isinstance(outcome, Retry):
            log.info("message.retried", consumer=self._consumer, reason=outcome.reason, delay=outcome.delay)
            await delivery.nak(outcome.delay)
            return "retried"
        if isinstance(outcome, BusError):  # the broker's trouble, not the message's: never counts against it
            log.warning("message.handed_back", consumer=self._consumer, reason=str(outcome))
            await delivery.nak(1.0)
            return "retried"
        return await self._failed(delivery, outcome)

    async def _failed(self, delivery: Delivery, bug: BaseException) -> str:
        log.error("message.failed", consumer=self._consumer, deliveries=delivery.deliveries, exc_info=bug)
        if delivery.deliveries >= self._max:
            return await self.bury(delivery, f"{type(bug).__name__}: {bug}")
        await delivery.nak(backoff(delivery.deliveries))
        return "failed"

    async def bury(self, delivery: Delivery, reason: str) -> str:
        """Store a dead letter, then end the message. If it cannot be stored, the message comes back instead."""
        letter = dead_letter(self._bus.service, delivery, reason, datetime.now(UTC))
        try:
            await self._bus.publish(subjects.dead(self._bus.service), encode(letter), msg_id=letter.id)
        except BusError as error:
            log.error("message.not_buried", consumer=self._consumer, reason=str(error))
            await delivery.nak(5.0)
            return "failed"
        log.error("message.dead", consumer=self._consumer, subject=delivery.subject, reason=reason, dead_id=letter.id)
        await delivery.term(reason)
        return "dead"


def dead_letter(service: str, delivery: Delivery, reason: str, at: datetime) -> DeadLetter:
    """The record of a message given up; the same message gives the same id."""
    return DeadLetter(
        id=ids.derived("dead", service, delivery.stream, str(delivery.sequence)),
        service=service,
        subject=delivery.subject,
        stream=delivery.stream,
        sequence=delivery.sequence,
        reason=reason[:2000],
        deliveries=delivery.deliveries,
        data=delivery.data[:_DATA_LIMIT].decode("utf-8", "replace"),
        headers=dict(delivery.headers),
        at=at,
    )
