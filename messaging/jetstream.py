"""JetStream's JSON API over a link: calls, errors turned into ours, and stored messages."""

from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec
from nats.aio.msg import Msg

from messaging.link import Link, status
from messaging.ports import BusError, Conflict, Full, NoResponders, PubAck, Stored, TooLarge, Unavailable

T = TypeVar("T")
API: Final = "$JS.API."

# err_code values of nats-server's server/errors.json
NO_MESSAGE: Final = 10037
STREAM_NOT_FOUND: Final = 10059
CONSUMER_NOT_FOUND: Final = 10014
STREAM_NAME_IN_USE: Final = 10058
_CONFLICT: Final = frozenset({10071, 10164})
_FULL: Final = frozenset({10077, 10047, 10023})
_TOO_LARGE: Final = frozenset({10054, 10097})

_BATCH_HEADERS: Final = ("Nats-Stream", "Nats-Num-Pending", "Nats-Last-Sequence")


class ApiError(msgspec.Struct, frozen=True):
    """The ``error`` of an API reply."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class RawMessage(msgspec.Struct, frozen=True):
    """A stored message as STREAM.MSG.GET gives it (base64 fields decoded)."""

    subject: str
    seq: int
    time: str
    data: bytes = b""
    hdrs: bytes = b""


class StreamState(msgspec.Struct, frozen=True):
    """The numbers of a stream that we use."""

    messages: int = 0
    first_seq: int = 0
    last_seq: int = 0
    num_subjects: int = 0
    subjects: dict[str, int] = {}


class Reply(msgspec.Struct, frozen=True):
    """The union of the API replies that we read; absent parts keep their defaults."""

    error: ApiError | None = None
    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    message: RawMessage | None = None
    state: StreamState = StreamState()
    config: dict[str, Any] = {}
    num_pending: int = 0
    name: str = ""
    success: bool = False
    ts: str = ""  # the server's clock, with stream info


_DECODER: Final = msgspec.json.Decoder(Reply)


class ApiFailure(BusError):
    """An API error without a name of its own; ``err_code`` tells which."""

    def __init__(self, error: ApiError, subject: str) -> None:
        super().__init__(f"{subject}: {error.description} (err_code {error.err_code})")
        self.err_code = error.err_code


def checked(message: Msg, subject: str) -> Reply:
    """The reply, or its error as one of ours."""
    try:
        reply = _DECODER.decode(message.data)
    except msgspec.DecodeError as error:
        raise BusError(f"{subject}: the broker's answer is not JetStream's: {message.data[:200]!r}") from error
    if reply.error is not None:
        raise as_exception(reply.error, subject)
    return reply


def as_exception(error: ApiError, subject: str) -> BusError:
    """Which of our errors an API error is. 10077 has code 503 but is no passing fault: the stream is full."""
    text = f"{subject}: {error.description}"
    if error.err_code in _FULL:
        return Full(f"{text}. The stream is at its limit; work is not being taken off it fast enough")
    if error.err_code in _CONFLICT:
        return Conflict(text)
    if error.err_code in _TOO_LARGE:
        return TooLarge(text)
    if error.code == 503:
        return Unavailable(text)
    return ApiFailure(error, subject)


async def call(link: Link, verb: str, body: object = None, *, timeout: float = 5.0) -> Reply:
    """One API request, for example ``STREAM.INFO.LOGS``."""
    subject = API + verb
    message = await link.call(subject, b"" if body is None else msgspec.json.encode(body), timeout=timeout)
    return checked(message, subject)


def puback(message: Msg, subject: str) -> PubAck:
    """A stream's answer to a publish; raises Full, Conflict, TooLarge, Unavailable or NoResponders."""
    if status(message) == 503:
        raise NoResponders(f"no stream takes {subject}, or it has no leader now")
    reply = checked(message, subject)
    return PubAck(reply.stream, reply.seq, reply.duplicate)


def stored(message: Msg) -> Stored:
    """A message that came by direct get."""
    headers = dict(message.headers or {})
    for name in _BATCH_HEADERS:
        headers.pop(name, None)
    return Stored(
        subject=headers.pop("Nats-Subject", message.subject),
        sequence=int(headers.pop("Nats-Sequence", 0)),
        data=message.data,
        time=_epoch(headers.pop("Nats-Time-Stamp", "")),
        headers=headers,
    )


def from_raw(raw: RawMessage) -> Stored:
    """A message that came by STREAM.MSG.GET."""
    return Stored(raw.subject, raw.seq, raw.data, parse_headers(raw.hdrs), _epoch(raw.time))


def parse_headers(raw: bytes) -> dict[str, str]:
    """A NATS header block without its version line."""
    pairs = (line.partition(b":") for line in raw.split(b"\r\n")[1:] if line)
    return {
        name.decode("ascii", "replace").strip(): value.decode("utf-8", "replace").strip() for name, _, value in pairs
    }


def _epoch(text: str) -> float:
    if not text:
        return 0.0
    head, _, rest = text.partition(".")  # RFC 3339 with up to nine digits of a second
    if not rest:
        return datetime.fromisoformat(text).timestamp()
    digits = rest.rstrip("Z").partition("+")[0].partition("-")[0]
    zone = rest[len(digits) :]
    return datetime.fromisoformat(head + (zone or "Z")).timestamp() + float("0." + digits)


class AckInfo(msgspec.Struct, frozen=True):
    """What the reply subject of a delivered message tells (ADR-15); both the short and the long form."""

    stream: str
    consumer: str
    deliveries: int
    stream_sequence: int
    consumer_sequence: int
    time: float
    pending: int


def ack_info(reply: str) -> AckInfo:
    """Read ``$JS.ACK.<stream>.<consumer>.<deliveries>.<sseq>.<cseq>.<ns>.<pending>``, with or without domain."""
    parts = reply.split(".")
    shift = 2 if len(parts) >= 11 else 0
    stream, consumer, deliveries, sseq, cseq, nanoseconds, pending = parts[2 + shift : 9 + shift]
    return AckInfo(stream, consumer, int(deliveries), int(sseq), int(cseq), int(nanoseconds) / 1e9, int(pending))
