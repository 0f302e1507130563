"""An ordered look at a stream, replay and live tail as one path: an ephemeral push consumer without acks, made anew
after the last sequence seen whenever a message is missing, it falls silent, or the connection was lost."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from nats.aio.msg import Msg

from messaging import jetstream
from messaging.link import Link, status
from messaging.ports import BusError, CaughtUp, NoResponders, Stored, Unavailable
from runtime import ids, telemetry
from runtime.logs import logger

log = logger("messaging.tail")

HEARTBEAT_SECONDS: Final = 1.0
SILENCE_SECONDS: Final = 2.5
UNUSED_SECONDS: Final = 5.0
BUFFERED: Final = 2048  # messages held here before the broker is asked to wait
_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class View:
    """What to look at. ``newest_only``: begin with the last message of each subject (a bucket's current state)."""

    stream: str
    filters: tuple[str, ...]
    newest_only: bool = False
    headers_only: bool = False


async def tail(link: Link, view: View, *, after: int | None) -> AsyncGenerator[Stored | CaughtUp, None]:
    """Messages with sequence > ``after`` (None: only new ones), CaughtUp once, then live ones, for ever."""
    cursor = after
    told = False
    snapshot = view.newest_only
    with telemetry.FOLLOWERS.labels(view.stream).track_inprogress():
        while True:
            session, cursor = await _open(link, view, cursor, snapshot)
            try:
                async for item in session.items():
                    if isinstance(item, Stored):
                        cursor, snapshot = item.sequence, False
                        yield item
                    elif not told:
                        told, snapshot = True, False
                        yield CaughtUp(cursor)
            finally:
                await session.close()
            log.info("follow.reopened", stream=view.stream, reason=session.broken, after=cursor)


async def scan(link: Link, view: View) -> list[Stored]:
    """What the view holds now, read once, whole."""
    while True:
        session, _ = await _open(link, view, 0, view.newest_only)
        found: list[Stored] = []
        try:
            async for item in session.items():
                if isinstance(item, CaughtUp):
                    return found
                found.append(item)
        finally:
            await session.close()


async def _open(link: Link, view: View, cursor: int | None, snapshot: bool) -> tuple["Session", int]:
    """A session that starts after ``cursor``, however long it takes to get one."""
    pause = 0.05
    while True:
        try:
            await link.ready(5.0)
            if cursor is None:
                cursor = (await jetstream.call(link, f"STREAM.INFO.{view.stream}")).state.last_seq
            elif cursor > 0:
                cursor = await _within_stream(link, view.stream, cursor)
            session = Session(link, view, cursor, snapshot)
            await session.open()
            return session, cursor
        except (Unavailable, NoResponders) as error:
            if link.closed.is_set():
                raise
            log.debug("follow.waiting", stream=view.stream, reason=str(error))
        await asyncio.sleep(pause)
        pause = min(pause * 2, 1.0)


async def _within_stream(link: Link, stream: str, cursor: int) -> int:
    """The cursor, or 0 for a stream that was made anew and is shorter: waiting beyond its end would be for ever."""
    last = (await jetstream.call(link, f"STREAM.INFO.{stream}")).state.last_seq
    if last >= cursor:
        return cursor
    log.warning("follow.stream_was_reset", stream=stream, after=cursor, last=last)
    return 0


class Session:
    """One consumer and its buffer. ``broken`` says why it ended."""

    def __init__(self, link: Link, view: View, after: int, snapshot: bool) -> None:
        self._link, self._view, self._after, self._snapshot = link, view, after, snapshot
        self._name = f"follow-{link.service}-{ids.new_id()}"
        self._deliver = f"{link.prefix}.d.{self._name}"
        self._buffer: deque[Stored | CaughtUp] = deque()
        self._wake = asyncio.Event()
        self._last_seen = 0  # consumer sequence: contiguous, whatever the filters leave out
        self._active = 0.0
        self._caught_up = False
        self._flow_reply = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscription: Any = None
        self.broken = ""

    async def open(self) -> None:
        """Subscribe, then create the consumer; raises when the broker does not answer."""
        self._subscription = await self._link.subscribe(self._deliver, self._on_message)
        self._link.on_reconnect.add(self._on_reconnect)
        self._active = asyncio.get_running_loop().time()
        try:
            reply = await jetstream.call(self._link, self._verb(), self._request(self._deliver))
        except BaseException:
            await self.close()
            raise
        if reply.num_pending == 0 and not self._last_seen:
            self._catch_up(self._after)

    def _verb(self) -> str:
        verb = f"CONSUMER.CREATE.{self._view.stream}.{self._name}"
        return f"{verb}.{self._view.filters[0]}" if len(self._view.filters) == 1 else verb

    def _request(self, deliver: str) -> dict[str, Any]:
        filters = self._view.filters
        wanted = {"filter_subject": filters[0]} if len(filters) == 1 else {"filter_subjects": list(filters)}
        start: dict[str, Any] = {"deliver_policy": "by_start_sequence", "opt_start_seq": self._after + 1}
        if self._snapshot:
            start = {"deliver_policy": "last_per_subject"}
        config = {
            **wanted,
            **start,
            "name": self._name,
            "deliver_subject": deliver,
            "ack_policy": "none",
            "max_deliver": 1,
            "replay_policy": "instant",
            "flow_control": True,
            "idle_heartbeat": int(HEARTBEAT_SECONDS * _NS),
            "inactive_threshold": int(UNUSED_SECONDS * _NS),
            "headers_only": self._view.headers_only,
            "mem_storage": True,
            "num_replicas": 1,
        }
        return {"stream_name": self._view.stream, "config": config, "action": "create"}

    async def items(self) -> AsyncGenerator[Stored | CaughtUp, None]:
        """What arrives, in order, until the session breaks; everything delivered before the break comes first."""
        loop = asyncio.get_running_loop()
        while True:
            while self._buffer:
                yield self._buffer.popleft()
                if self._flow_reply and len(self._buffer) < BUFFERED:
                    await self._release()
            if self.broken:
                return
            self._wake.clear()
            timer = loop.call_later(SILENCE_SECONDS, self._check_silence)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()

    def _check_silence(self) -> None:
        quiet = asyncio.get_running_loop().time() - self._active
        if quiet >= SILENCE_SECONDS:
            self._break("no heartbeat")
        else:
            self._wake.set()  # look again

    async def _on_message(self, message: Msg) -> None:
        if self.broken:
            return
        self._active = asyncio.get_running_loop().time()
        code = status(message)
        if code == 0:
            self._on_stored(message)
        elif code == 100:
            self._on_control(message)
        else:
            self._break(f"consumer ended: {code} {(message.headers or {}).get('Description', '')}")

    def _on_stored(self, message: Msg) -> None:
        info = jetstream.ack_info(message.reply)
        if info.consumer_sequence != self._last_seen + 1:
            self._break(f"gap: message {info.consumer_sequence} after {self._last_seen}")
            return
        self._last_seen = info.consumer_sequence
        self._buffer.append(
            Stored(message.subject, info.stream_sequence, message.data, message.headers or {}, info.time)
        )
        if info.pending == 0:
            self._catch_up(info.stream_sequence)
        self._wake.set()

    def _on_control(self, message: Msg) -> None:
        headers = message.headers or {}
        if message.reply:  # flow control: the broker sends no more until this is answered
            self._flow_reply = message.reply
        stalled = headers.get("Nats-Consumer-Stalled")
        self._flow_reply = stalled or self._flow_reply
        waits = bool(self._flow_reply)
        if waits and len(self._buffer) < BUFFERED:
            self._start(self._release())
        if int(headers.get("Nats-Last-Consumer", self._last_seen)) > self._last_seen:
            self._break("gap: a heartbeat tells of messages that did not arrive")
        elif "Nats-Last-Consumer" in headers and not waits and not self._buffer and not self._caught_up:
            self._start(self._look_again())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_again(self) -> None:
        """A silent broker is either slow, or what it counted as pending is gone (purged or expired): ask which.

        Creating what exists with the same configuration changes nothing and tells the consumer's state.
        """
        seen = self._last_seen
        try:
            reply = await jetstream.call(self._link, self._verb(), self._request(self._deliver))
        except BusError as error:  # the next heartbeat asks again
            log.debug("follow.unknown_end", stream=self._view.stream, reason=str(error))
            return
        if reply.num_pending == 0 and self._last_seen == seen:
            self._catch_up(self._after)

    async def _release(self) -> None:
        reply, self._flow_reply = self._flow_reply, ""
        try:
            if reply:
                await self._link.send(reply, b"")
        except BusError:
            self._break("connection lost")

    def _catch_up(self, sequence: int) -> None:
        if not self._caught_up:
            self._caught_up = True
            self._buffer.append(CaughtUp(sequence))
            self._wake.set()

    def _break(self, reason: str) -> None:
        self.broken = self.broken or reason
        self._wake.set()

    def _on_reconnect(self) -> None:
        self._break("reconnected")

    async def close(self) -> None:
        """Give the subscription up; the broker removes the consumer by itself a few seconds later."""
        self.broken = self.broken or "closed"
        self._link.on_reconnect.discard(self._on_reconnect)
        if self._subscription is not None:
            await self._link.unsubscribe(self._subscription)
