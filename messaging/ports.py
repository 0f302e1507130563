"""What the house may ask of the broker. Two implementations: ``nats_bus`` and ``memory``, one conformance suite."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from messaging.topology import Consumer

T = TypeVar("T")


class BusError(Exception):
    """The broker did not do what was asked; the message says what and what to do. Safe to retry with the same id."""


class Unavailable(BusError):
    """No answer in time, or no broker: the outcome is unknown, repeat with the same id."""


class Full(BusError):
    """A stream refuses because it is at its limit (err_code 10077): shed load, do not spin."""


class NoResponders(BusError):
    """Nobody serves the subject of a request."""


class Conflict(BusError):
    """A compare-and-set found another revision."""


class TooLarge(BusError):
    """A message above the broker's payload limit (1 MiB)."""


@dataclass(frozen=True, slots=True)
class PubAck:
    """The stream's answer: sequence, and whether the id had been seen inside the duplicate window."""

    stream: str
    sequence: int
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as a stream holds it."""

    subject: str
    sequence: int
    data: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    time: float = 0.0  # seconds since the epoch, by the server's clock


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A value of a bucket. ``value`` is None for a deletion marker seen by ``watch``."""

    key: str
    value: T | None
    revision: int


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Told once by ``follow`` and ``watch`` when all that was stored at the start has been delivered."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Call:
    """A request that a served subject received."""

    subject: str
    data: bytes
    headers: Mapping[str, str]


class Delivery(Protocol):
    """A message handed out by a consumer: exactly one of ack, nak and term ends it, else it comes back after ack_wait.

    None of them raises when the connection is gone: the message then comes back, and repeats are harmless.
    """

    @property
    def subject(self) -> str: ...
    @property
    def data(self) -> bytes: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def stream(self) -> str: ...
    @property
    def sequence(self) -> int: ...
    @property
    def deliveries(self) -> int:
        """1 for the first."""

    @property
    def time(self) -> float:
        """Seconds since the epoch when it was stored."""

    async def ack(self) -> None: ...
    async def nak(self, delay: float = 0.0) -> None: ...
    async def term(self, reason: str = "") -> None: ...
    async def in_progress(self) -> None:
        """Start ack_wait anew."""


class Subscription(Protocol):
    async def stop(self) -> None:
        """Serve no more; calls under way are finished first."""


class State(Protocol[T]):
    """A typed bucket. Keys are ``schemas.subjects.key(...)``."""

    async def get(self, key: str) -> Entry[T] | None: ...
    async def create(self, key: str, value: T) -> int:
        """The revision; raises Conflict when the key exists (deleted and expired keys do not count)."""

    async def put(self, key: str, value: T) -> int: ...
    async def replace(self, key: str, value: T, revision: int) -> int:
        """Compare-and-set; raises Conflict."""

    async def update(self, key: str, decide: Callable[[T | None], T | None]) -> T | None:
        """Read, decide, compare-and-set, again on Conflict. ``decide`` is pure; returning None changes nothing."""

    async def delete(self, key: str) -> None: ...
    async def keys(self, prefix: str = "") -> list[str]:
        """All live keys that equal ``prefix`` or begin with ``prefix.``; an empty prefix means all."""

    async def items(self, prefix: str = "") -> list[Entry[T]]: ...
    def watch(self, prefix: str = "") -> AsyncGenerator[Entry[T] | CaughtUp, None]:
        """Current entries, CaughtUp, then each change. Reconnects by itself; may repeat, never skips the newest."""


class Objects(Protocol):
    """The object store. ``put`` overwrites; names are slash-separated tokens."""

    async def put(self, name: str, data: bytes) -> str: ...
    async def get(self, name: str) -> bytes | None: ...
    async def delete(self, name: str) -> None: ...
    async def names(self, prefix: str = "") -> list[str]: ...


class Bus(Protocol):
    """One connection of one service."""

    service: str

    async def publish(
        self, subject: str, data: bytes, *, msg_id: str | None = None, headers: Mapping[str, str] | None = None
    ) -> PubAck:
        """Store a message in the stream that owns the subject. Retries for 30 s with the same id, then Unavailable."""

    async def post(
        self, subject: str, data: bytes, *, msg_id: str, headers: Mapping[str, str] | None = None, timeout: float = 2.0
    ) -> "asyncio.Future[PubAck]":
        """Send once, no repeat; the result is awaited apart, so that many may be under way (the log pipe).
        Posts of one connection reach the broker in the order sent, none after one that a lost connection swallowed."""

    async def fetch(self, consumer: str | Consumer, *, batch: int = 1, expires: float = 5.0) -> list[Delivery]:
        """Up to ``batch`` messages of a durable consumer: waits ``expires`` seconds for the first, then takes what
        else is there. Empty when there was none or the connection was lost. Cancelling hands late messages back."""

    async def ensure_consumer(self, consumer: Consumer) -> None:
        """Create the durable consumer unless it exists (a runner whose id is not in the topology)."""

    async def request(
        self, subject: str, data: bytes, *, timeout: float = 5.0, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Ask whoever serves the subject. Raises NoResponders or Unavailable."""

    async def serve(
        self, subject: str, handler: Callable[[Call], Awaitable[bytes]], *, queue: str | None = None, slots: int = 64
    ) -> Subscription:
        """Answer requests on a subject (wildcards allowed), at most ``slots`` at once. Replicas share a queue named
        after the service unless ``queue`` names another. A handler's error reaches the caller as BusError."""

    async def last(self, stream: str, subject: str) -> Stored | None:
        """The newest stored message of exactly this subject."""

    async def page(self, stream: str, subject: str, *, after: int = 0, limit: int = 200) -> list[Stored]:
        """Up to ``limit`` stored messages of a subject (wildcards allowed) with sequence > ``after``, oldest first."""

    def follow(
        self, stream: str, subjects: list[str], *, after: int | None = 0
    ) -> AsyncGenerator[Stored | CaughtUp, None]:
        """Stored messages with sequence > ``after``, CaughtUp, then live ones: gap-free, in order, no duplicates,
        across reconnects and server restarts. ``after=None`` begins with new messages only."""

    def state(self, bucket: str, type_: type[T]) -> State[T]: ...
    def objects(self) -> Objects: ...
    async def count(self, stream: str, subject: str = ">") -> int:
        """How many messages the stream holds for the subject."""

    async def remove(self, stream: str, sequence: int, *, erase: bool = False) -> None:
        """Delete one stored message (a dead letter). ``erase``: also overwrite it on the disk (a deleted project)."""

    async def ping(self) -> float:
        """Seconds of one real round trip; raises Unavailable. The liveness of the connection."""

    async def close(self) -> None: ...


Handler = Callable[[Any], AsyncIterator["Out"]]


@dataclass(frozen=True, slots=True)
class Out:
    """A message a handler yields: published by the worker before the ack. No id: ``<input id>.<index>``."""

    subject: str
    message: Any
    msg_id: str | None = None


class Retry(Exception):
    """Hand the message back and try again after ``delay`` seconds."""

    def __init__(self, reason: str, delay: float = 1.0) -> None:
        super().__init__(reason)
        self.reason, self.delay = reason, delay


class Reject(Exception):
    """The message can never be processed: dead-letter it now, with the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
