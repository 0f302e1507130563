"""Reading stored messages: the newest of a subject, pages by sequence, counts."""

import asyncio
from typing import Final

import msgspec
from nats.aio.msg import Msg

from messaging import jetstream
from messaging.link import Link, status
from messaging.ports import BusError, Stored, Unavailable
from messaging.topology import stream_spec

READ_SECONDS: Final = 5.0
_MAX_PAGE_BYTES: Final = 8 * 1024 * 1024
_END: Final = 204
_NOTHING: Final = 404
_NO_SEQUENCE: Final = frozenset({jetstream.NO_MESSAGE, 10043, 10057})


async def last(link: Link, stream: str, subject: str) -> Stored | None:
    """The newest message of exactly this subject: by direct get where the stream allows, else from its leader."""
    if stream_spec(stream).direct:
        message = await link.call(f"$JS.API.DIRECT.GET.{stream}.{subject}", timeout=READ_SECONDS)
        return None if status(message) == _NOTHING else jetstream.stored(message)
    return await newest(link, stream, subject)


async def newest(link: Link, stream: str, subject: str) -> Stored | None:
    """The newest message as the stream's leader knows it: what a compare-and-set must be based on."""
    try:
        reply = await jetstream.call(link, f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject}, timeout=READ_SECONDS)
    except jetstream.ApiFailure as error:
        if error.err_code == jetstream.NO_MESSAGE:
            return None
        raise
    return None if reply.message is None else jetstream.from_raw(reply.message)


async def page(link: Link, stream: str, subject: str, after: int, limit: int) -> list[Stored]:
    """Up to ``limit`` messages with sequence > ``after``, oldest first, in one batched direct get (ADR-31)."""
    found: list[Stored] = []
    while len(found) < limit:
        start = found[-1].sequence if found else after
        batch, more = await _batch(link, stream, subject, start, limit - len(found))
        found += batch
        if not more or not batch:
            break
    return found


async def _batch(link: Link, stream: str, subject: str, after: int, limit: int) -> tuple[list[Stored], bool]:
    batch = _Batch(stream)
    token, reply = link.route(batch.on_reply)
    body = {"seq": after + 1, "next_by_subj": subject, "batch": limit, "max_bytes": _MAX_PAGE_BYTES}
    try:
        await link.send(f"$JS.API.DIRECT.GET.{stream}", msgspec.json.encode(body), reply)
        return batch.found, await asyncio.wait_for(batch.more, READ_SECONDS)
    except TimeoutError:
        raise Unavailable(f"reading {stream} took longer than {READ_SECONDS:g} s") from None
    finally:
        link.unroute(token)


class _Batch:
    """The messages of one batched get; ``more`` becomes whether the stream holds further ones."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self.found: list[Stored] = []
        self.more: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def on_reply(self, message: Msg) -> None:
        code = status(message)
        if self.more.done():
            return
        if code == 0:
            self.found.append(jetstream.stored(message))
        elif code == _END:
            self.more.set_result(int((message.headers or {}).get("Nats-Num-Pending", 0)) > 0)
        elif code == _NOTHING:
            self.more.set_result(False)
        else:
            self.more.set_exception(_refused(self._stream, code, message))


def _refused(stream: str, code: int, message: Msg) -> BusError:
    text = f"reading {stream}: {(message.headers or {}).get('Description', 'refused')} ({code})"
    return Unavailable(text) if code == 503 else BusError(text)


async def subject_counts(link: Link, stream: str, filter_: str) -> dict[str, int]:
    """Stored messages by subject, for the subjects under the filter. The server pages above 100,000 subjects."""
    counts: dict[str, int] = {}
    while True:
        body = {"subjects_filter": filter_, "offset": len(counts)}
        reply = await jetstream.call(link, f"STREAM.INFO.{stream}", body)
        counts.update(reply.state.subjects)
        if not reply.state.subjects or len(reply.state.subjects) < 100_000:
            return counts


async def count(link: Link, stream: str, subject: str) -> int:
    """How many messages the stream holds under the subject."""
    if subject == ">":
        return (await jetstream.call(link, f"STREAM.INFO.{stream}")).state.messages
    return sum((await subject_counts(link, stream, subject)).values())


async def remove(link: Link, stream: str, sequence: int, *, erase: bool = False) -> None:
    """Delete one message; one that is gone already is no error. ``erase``: overwrite it on the disk."""
    try:
        await jetstream.call(link, f"STREAM.MSG.DELETE.{stream}", {"seq": sequence, "no_erase": not erase})
    except jetstream.ApiFailure as error:
        if error.err_code not in _NO_SEQUENCE:
            raise
