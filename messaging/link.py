"""One connection to NATS: sending, asking, reply routing, and noticing by itself that it is dead.

JetStream is spoken here as plain requests and replies: nats-py's own JetStream layer loses messages silently on local
overflow and stalls for many seconds after a reconnect, and every loss must be ours to see.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from messaging.ports import BusError, NoResponders, TooLarge, Unavailable
from runtime import ids, telemetry
from runtime.logs import logger

log = logger("messaging.link")
T = TypeVar("T")

WATCH_SECONDS: Final = 2.0
PING_SECONDS: Final = 4.0
WATCH_PING_SECONDS: Final = 2.0
OnReply = Callable[[Msg], None]
_REFUSED: Final = re.compile(r'permissions violation for publish to "([^"]+)"', re.IGNORECASE)
_UNHEARD: Final = re.compile(r'permissions violation for subscription to "([^"]+)"', re.IGNORECASE)


class NotPermitted(BusError):
    """The broker's permissions forbid this subject to this service. Repeating does not help."""


class Link:
    """A NATS connection that reconnects for ever. ``generation`` grows with each reconnect."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.prefix = f"_INBOX_{service}.{ids.new_id()}"
        self.client = Client()
        self.generation = 0
        self.closed = asyncio.Event()
        self.on_reconnect: set[Callable[[], None]] = set()
        self.forbidden: set[str] = set()  # subscriptions that permissions refused
        self._up = asyncio.Event()
        self._replies: dict[str, OnReply] = {}
        self._waiting: dict[asyncio.Future[Any], str] = {}
        self._numbers = count(1)
        self._watcher: asyncio.Task[None] | None = None
        self._leaving = False
        self.inboxes = Inboxes(self)

    async def open(self, url: str, creds: str, within: float) -> None:
        """Connect, or raise Unavailable after ``within`` seconds."""
        options = {**_credentials(creds), "inbox_prefix": f"_INBOX_{self.service}", "reconnect_time_wait": 0.2}
        try:
            await asyncio.wait_for(self._connect(url, options), within)
        except (TimeoutError, OSError, nats.errors.Error) as error:
            await self._abandon()
            reason = str(error) or "no answer"
            raise Unavailable(f"NATS at {_shown(url)} cannot be reached: {reason}. Is nats-server running?") from error
        self._up.set()
        await self.client.subscribe(
            f"{self.prefix}.r.*", cb=self._on_reply, pending_msgs_limit=0, pending_bytes_limit=0
        )
        await self.ping()
        self._watcher = asyncio.create_task(self._watch(), name="nats-watch")

    async def _connect(self, url: str, options: dict[str, Any]) -> None:
        await self.client.connect(
            url.split(","),
            name=f"{self.service}-{os.getpid()}",
            max_reconnect_attempts=-1,
            connect_timeout=2,
            ping_interval=10,
            max_outstanding_pings=2,
            skip_subject_validation=True,  # schemas.subjects checks each token before it is joined
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
            closed_cb=self._on_closed,
            **options,
        )

    async def _abandon(self) -> None:
        self._leaving = True
        with contextlib.suppress(Exception):  # it never worked; nothing about its end matters
            await self.client.close()

    async def close(self) -> None:
        """Flush what was sent, then close. Subscriptions must have been stopped before."""
        self._leaving = True
        if self._watcher:
            self._watcher.cancel()
        if self.is_up:
            with contextlib.suppress(BusError):
                await self.ping(timeout=1.0)
        await self.client.close()

    @property
    def is_up(self) -> bool:
        return self._up.is_set() and bool(self.client.is_connected)

    async def ready(self, within: float) -> None:
        """Wait until connected; raises Unavailable after ``within`` seconds, or when closed for good."""
        if self.is_up:
            return
        self._refuse_closed()
        try:
            await asyncio.wait_for(self._up.wait(), within)
        except TimeoutError:
            raise Unavailable(f"no connection to NATS for {within:.1f} s; it is being retried") from None
        self._refuse_closed()

    def _refuse_closed(self) -> None:
        if self.closed.is_set():
            raise BusError("the connection to NATS is closed for good; restart the process")

    async def send(self, subject: str, data: bytes, reply: str = "", headers: dict[str, str] | None = None) -> None:
        """Write one message; nothing is buffered for later: without a connection it raises Unavailable."""
        if not self.is_up:
            self._refuse_closed()
            raise Unavailable("no connection to NATS")
        try:
            await self.client.publish(subject, data, reply=reply, headers=headers)
        except nats.errors.MaxPayloadError as error:
            raise TooLarge(f"a message of {len(data)} bytes is above the broker's limit; store it as object") from error
        except (nats.errors.Error, OSError) as error:
            raise Unavailable(f"NATS did not take the message: {error}") from error

    def route(self, on_reply: OnReply) -> tuple[str, str]:
        """A reply subject whose messages go to ``on_reply`` until ``unroute(token)``: ``(token, subject)``."""
        token = str(next(self._numbers))
        self._replies[token] = on_reply
        return token, f"{self.prefix}.r.{token}"

    def unroute(self, token: str) -> None:
        self._replies.pop(token, None)

    async def post(
        self, subject: str, data: bytes, headers: dict[str, str] | None, timeout: float, read: Callable[[Msg], T]
    ) -> "asyncio.Future[T]":
        """Send a request; the future gets what ``read`` makes of the reply (its BusError as well), or Unavailable on
        time-out or loss of the connection. One future a message: the log pipe sends ten thousand a second."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def on_reply(message: Msg) -> None:
            if future.done():
                return
            try:
                future.set_result(read(message))
            except BusError as error:
                future.set_exception(error)

        token, reply = self.route(on_reply)
        timer = loop.call_later(timeout, _time_out, future, subject, timeout)

        def done(_: object) -> None:
            timer.cancel()
            self.unroute(token)
            self._waiting.pop(future, None)

        future.add_done_callback(done)
        self._waiting[future] = subject
        try:
            await self.send(subject, data, reply, headers)
        except BaseException:
            future.cancel()
            raise
        return future

    async def call(
        self, subject: str, data: bytes = b"", headers: dict[str, str] | None = None, timeout: float = 5.0
    ) -> Msg:
        """A request and its one reply; raises NoResponders or Unavailable."""
        message = await (await self.post(subject, data, headers, timeout, _as_it_is))
        if status(message) == 503:
            raise NoResponders(f"nobody answers on {subject}")
        return message

    async def subscribe(self, subject: str, on_message: Callable[[Msg], Any], queue: str = "") -> Subscription:
        """A subscription whose coroutine ``on_message`` must never wait for long; unbounded, so it never drops."""
        return await self.client.subscribe(
            subject, queue=queue, cb=on_message, pending_msgs_limit=0, pending_bytes_limit=0
        )

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Give a subscription up; one that is already gone is no error."""
        with contextlib.suppress(nats.errors.Error, OSError):
            await subscription.unsubscribe()

    async def barrier(self) -> None:
        """The broker has seen every SUB sent before: one round trip behind the queued command (a PING overtakes it)."""
        await self.ping()

    async def ping(self, timeout: float = PING_SECONDS) -> float:
        """Seconds of one message to ourselves through the broker.

        Not nats-py's rtt or flush: flush succeeds when the read loop is dead, and a PONG after rtt's time-out kills it.
        """
        loop = asyncio.get_running_loop()
        start, future = loop.time(), loop.create_future()
        token, reply = self.route(lambda _: None if future.done() else future.set_result(None))
        try:
            await self.send(reply, b"")
            await asyncio.wait_for(future, timeout)
        except TimeoutError:
            raise Unavailable(f"NATS did not answer within {timeout:g} s") from None
        finally:
            self.unroute(token)
        return loop.time() - start

    async def _watch(self) -> None:
        """Two unanswered pings mean a dead read loop or a stopped server: connect again, whatever nats-py believes."""
        misses = 0
        while not self.closed.is_set():
            await asyncio.sleep(WATCH_SECONDS)
            if not self.is_up:
                misses = 0
                continue
            try:
                await self.ping(WATCH_PING_SECONDS)
                misses = 0
            except BusError:
                misses += 1
            if misses >= 2:
                log.warning("nats.unresponsive", service=self.service)
                misses = 0
                await self.client.force_reconnect()

    async def _on_reply(self, message: Msg) -> None:
        handler = self._replies.get(message.subject.rpartition(".")[2])
        if handler is not None:
            handler(message)

    async def _on_error(self, error: Exception) -> None:
        # Must never raise: nats-py awaits it inside the read loop and would stay dead with is_connected True.
        with contextlib.suppress(Exception):
            log.warning("nats.error", service=self.service, error=str(error) or type(error).__name__)
            self._on_refused(str(error))

    def _on_refused(self, error: str) -> None:
        """What permissions forbid is only told here: without this its caller would wait for the time-out."""
        if forbidden := _UNHEARD.search(error):
            self.forbidden.add(forbidden.group(1).lower())  # nats-py hands the server's words on in lower case
        refused = _REFUSED.search(error)
        for future, subject in list(self._waiting.items()):
            if refused and subject.lower() == refused.group(1).lower() and not future.done():
                future.set_exception(NotPermitted(f"{self.service} may not publish to {subject}; see deploy/nats"))

    async def _on_disconnected(self) -> None:
        self._up.clear()
        # nats-py would send what it had queued as soon as it reconnects, before our callers repeat what was under way:
        # later log lines would overtake earlier ones. All callers learn of the loss and repeat in order instead.
        self.client._pending.clear()
        self.client._pending_data_size = 0
        for future in list(self._waiting):
            if not future.done():
                future.set_exception(Unavailable("the connection to NATS was lost; the outcome is unknown"))
        if not self._leaving:
            log.warning("nats.disconnected", service=self.service)

    async def _on_reconnected(self) -> None:
        self.generation += 1
        self._up.set()
        telemetry.RECONNECTS.inc()
        log.info("nats.reconnected", service=self.service, generation=self.generation)
        for listener in list(self.on_reconnect):
            listener()

    async def _on_closed(self) -> None:
        self.closed.set()
        self._up.set()  # wakes those who wait for a connection; they find it closed
        for listener in list(self.on_reconnect):
            listener()
        if not self._leaving:
            log.error("nats.closed", service=self.service, reason=str(self.client.last_error or "unknown"))


class Inbox:
    """A subscription of its own: pulled messages keep their stream's subject, so only it tells whose they are."""

    def __init__(self, subject: str, on_reply: OnReply) -> None:
        self.subject, self.on_reply = subject, on_reply
        self.subscription: Subscription | None = None

    async def on_message(self, message: Msg) -> None:
        self.on_reply(message)


class Inboxes:
    """Inboxes kept for reuse; as many exist as pulls were under way at once."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._idle: list[Inbox] = []
        self._retired: set[asyncio.Task[None]] = set()

    async def borrow(self, on_reply: OnReply) -> Inbox:
        if self._idle:
            inbox = self._idle.pop()
            inbox.on_reply = on_reply
            return inbox
        inbox = Inbox(f"{self._link.prefix}.p.{ids.new_id()}", on_reply)
        inbox.subscription = await self._link.subscribe(inbox.subject, inbox.on_message)
        return inbox

    def give_back(self, inbox: Inbox) -> None:
        self._idle.append(inbox)

    def retire(self, inbox: Inbox, on_late: OnReply, seconds: float) -> None:
        """Send what still comes to ``on_late``, and unsubscribe after ``seconds``."""
        inbox.on_reply = on_late
        asyncio.get_running_loop().call_later(seconds, self._drop, inbox)

    def _drop(self, inbox: Inbox) -> None:
        if inbox.subscription is not None and not self._link.closed.is_set():
            task = asyncio.get_running_loop().create_task(self._link.unsubscribe(inbox.subscription))
            self._retired.add(task)
            task.add_done_callback(self._retired.discard)


def _as_it_is(message: Msg) -> Msg:
    return message


def status(message: Msg) -> int:
    """The inline status of a control message (100, 404, 408, 409, 503), 0 for an ordinary one."""
    if message.data or not message.headers:
        return 0
    return int(message.headers.get("Status", 0))


def _time_out(future: "asyncio.Future[Any]", subject: str, seconds: float) -> None:
    if not future.done():
        future.set_exception(Unavailable(f"no answer on {subject} within {seconds:g} s; the outcome is unknown"))


def _credentials(creds: str) -> dict[str, Any]:
    if not creds:
        return {}
    path = Path(creds)
    if path.suffix == ".creds":
        return {"user_credentials": str(path)}
    try:
        user, separator, password = path.read_text().strip().partition(":")
    except OSError as error:
        raise Unavailable(f"the credentials file {path} cannot be read: {error.strerror}") from error
    if not separator:
        raise Unavailable(f"the credentials file {path} must hold one line user:password")
    return {"user": user, "password": password}


def _shown(url: str) -> str:
    return ",".join(part.rpartition("@")[2] for part in url.split(","))
