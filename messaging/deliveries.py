"""Messages handed out by a durable consumer: fetching that never hangs, and the four answers."""

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
from nats.aio.msg import Msg

from messaging import jetstream
from messaging.link import Link, OnReply, status
from messaging.ports import BusError, Delivery, NoResponders
from messaging.topology import Consumer

_NS: Final = 1_000_000_000
_MARGIN_SECONDS: Final = 1.0
# The broker leaves a no_wait pull without its end when the consumer has as many messages out as it may.
_NO_WAIT_SECONDS: Final = 0.25


class NatsDelivery:
    """A Delivery over NATS. An answer that cannot be sent is dropped: the message comes back after ack_wait."""

    __slots__ = ("_info", "_link", "_message")

    def __init__(self, link: Link, message: Msg) -> None:
        self._link, self._message = link, message
        self._info = jetstream.ack_info(message.reply)

    @property
    def subject(self) -> str:
        return self._message.subject

    @property
    def data(self) -> bytes:
        return self._message.data

    @property
    def headers(self) -> Mapping[str, str]:
        return self._message.headers or {}

    @property
    def stream(self) -> str:
        return self._info.stream

    @property
    def sequence(self) -> int:
        return self._info.stream_sequence

    @property
    def deliveries(self) -> int:
        return self._info.deliveries

    @property
    def time(self) -> float:
        return self._info.time

    async def ack(self) -> None:
        await self._answer(b"+ACK")

    async def nak(self, delay: float = 0.0) -> None:
        await self._answer(b"-NAK" if delay <= 0 else b'-NAK {"delay": %d}' % int(delay * _NS))

    async def term(self, reason: str = "") -> None:
        await self._answer(b"+TERM " + reason.replace("\n", " ")[:200].encode() if reason else b"+TERM")

    async def in_progress(self) -> None:
        await self._answer(b"+WPI")

    async def _answer(self, word: bytes) -> None:
        try:
            await self._link.send(self._message.reply, word)
        except BusError:
            return


async def fetch(link: Link, consumer: Consumer, batch: int, expires: float) -> list[Delivery]:
    """See Bus.fetch. A missing consumer raises NoResponders."""
    await link.ready(expires)
    found = await _pull(link, consumer, {"batch": 1, "expires": int(expires * _NS)}, expires + _MARGIN_SECONDS)
    if found and batch > 1:
        found += await _pull(link, consumer, {"batch": batch - 1, "no_wait": True}, _NO_WAIT_SECONDS)
    return list(found)


async def _pull(link: Link, consumer: Consumer, body: dict[str, object], seconds: float) -> list[Delivery]:
    """One pull request, until it is filled or ended by the broker, silence, or a lost connection."""
    pull = _Pull(link, consumer, int(str(body["batch"])), seconds)
    inbox = await link.inboxes.borrow(pull.on_reply)
    link.on_reconnect.add(pull.end)  # the broker forgot the pull with the connection that asked
    try:
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{consumer.stream}.{consumer.name}"
        await link.send(subject, msgspec.json.encode(body), inbox.subject)
        await pull.done
    except asyncio.CancelledError:
        for delivery in pull.found:
            await delivery.nak()
        raise
    finally:
        pull.timer.cancel()
        link.on_reconnect.discard(pull.end)
        if pull.ended:
            link.inboxes.give_back(inbox)
        else:  # given up here, it lives on at the broker: what it still delivers goes straight back
            link.inboxes.retire(inbox, _nak_late(link), seconds)
    return pull.found


class _Pull:
    """What one pull request brought. ``ended``: the broker will deliver no more for it."""

    def __init__(self, link: Link, consumer: Consumer, wanted: int, seconds: float) -> None:
        self._link, self._consumer, self._wanted, self._seconds = link, consumer, wanted, seconds
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.timer = self._loop.call_later(seconds, self.finish)
        self.found: list[Delivery] = []
        self.ended = False

    def on_reply(self, message: Msg) -> None:
        code = status(message)
        if code == 0 and message.reply:
            self.found.append(NatsDelivery(self._link, message))
            self.timer.cancel()
            self.timer = self._loop.call_later(self._seconds, self.finish)
            if len(self.found) >= self._wanted:
                self.end()
        elif code == 503 and not self.done.done():
            self.ended = True
            where = f"{self._consumer.name} on {self._consumer.stream}"
            self.done.set_exception(NoResponders(f"no consumer {where}, or it has no leader now; run the provisioner"))
        elif code != 100:
            self.end()

    def end(self) -> None:
        self.ended = True
        self.finish()

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


def _nak_late(link: Link) -> OnReply:
    tasks: set[asyncio.Task[None]] = set()

    def on_reply(message: Msg) -> None:
        if status(message) == 0 and message.reply:
            task = asyncio.get_running_loop().create_task(NatsDelivery(link, message).nak())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    return on_reply
