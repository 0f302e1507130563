"""Storing messages: repeated with the same id until the broker has answered, so that an id is stored once."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Final

from messaging import jetstream
from messaging.link import Link
from messaging.ports import Conflict, NoResponders, PubAck, Unavailable
from runtime import ids, telemetry

PUBLISH_SECONDS: Final = 30.0
FIRST_TIMEOUT: Final = 2.0
LATER_TIMEOUT: Final = 5.0


class ConflictAfterRepeat(Conflict):
    """An expected sequence did not match on a repeat: the first try, whose answer was lost, may be what is there."""


def with_id(msg_id: str | None, headers: Mapping[str, str] | None) -> dict[str, str]:
    """The headers to send: the caller's, the id (a fresh one if there is none), the trace."""
    merged = dict(headers or {})
    merged["Nats-Msg-Id"] = msg_id or ids.new_id()
    telemetry.inject(merged)
    return merged


async def publish(
    link: Link, subject: str, data: bytes, headers: dict[str, str], *, within: float = PUBLISH_SECONDS
) -> PubAck:
    """Publish until acknowledged or ``within`` seconds are over (Unavailable). Full, Conflict, TooLarge are final."""
    loop = asyncio.get_running_loop()
    deadline, pause, timeout, repeated = loop.time() + within, 0.05, FIRST_TIMEOUT, False
    while True:
        left = deadline - loop.time()
        try:
            await link.ready(max(left, 0.01))
            return await (await post(link, subject, data, headers, min(timeout, max(left, 0.1))))
        except (NoResponders, Unavailable) as error:
            if loop.time() + pause >= deadline:
                raise Unavailable(f"{subject} was not stored within {within:g} s: {error}") from error
        except Conflict as error:
            if repeated:
                raise ConflictAfterRepeat(str(error)) from error
            raise
        repeated = True
        telemetry.PUBLISH_RETRIES.labels(subject.partition(".")[0]).inc()
        await asyncio.sleep(pause)
        pause, timeout = min(pause * 2, 1.0), LATER_TIMEOUT


async def post(
    link: Link, subject: str, data: bytes, headers: dict[str, str], timeout: float
) -> "asyncio.Future[PubAck]":
    """Send once; the future is the stream's answer."""
    return await link.post(subject, data, headers, timeout, partial(jetstream.puback, subject=subject))
