"""What an embedding endpoint is asked and what its answers are worth. Pure: no network, no clock.

Sources: OpenAI API reference, "Create embeddings" (input, encoding_format, data[].index,
data[].embedding; 300,000 tokens a request); RFC 9110 section 10.2.3 (Retry-After).
"""

import hashlib
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from runner_core.secrets_scan import credentials
from services.triage.engine import Report, text_to_embed

T = TypeVar("T")
Vector = NDArray[np.float32]
MAX_DIMS: Final = 8_192
HOUR: Final = 3600.0
FIRST_PAUSE: Final = 15.0  # after a failure; doubles
LONGEST_PAUSE: Final = 900.0
REMEMBERED: Final = 1_024  # texts; 12 MB with 3,072 numbers each
PARTS: Final = 8
_NUMBER_BYTES: Final = 26
_PASSING: Final = frozenset({408, 409, 425, 429})
# What one text in many can cause: too long for the model, or a vector that is no number (Ollama answers 500 to that).
_OF_A_TEXT: Final = frozenset({400, 413, 422, 500})


class Failed(Exception):
    """No vectors; the reason is for people. ``wait``: seconds that the server asked to be left alone.

    ``splits``: the same texts in smaller requests may fare better. ``lasting``: asking again does not help.
    """

    def __init__(self, reason: str, *, wait: float | None = None, splits: bool = False, lasting: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.wait, self.splits, self.lasting = reason, wait, splits, lasting


class _One(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_One]


_answers = msgspec.json.Decoder(_Answer)


def question(report: Report) -> str:
    """The text to send; empty: nothing is asked, for there is no text, or it holds what looks like a credential."""
    text = text_to_embed(report)
    return "" if any(credentials(text)) else text


def answer_bytes(count: int) -> int:
    """The longest answer to so many texts that is read."""
    return 65_536 + count * MAX_DIMS * _NUMBER_BYTES


def read(data: bytes, count: int) -> list[Vector | None]:
    """The vectors of an answer in the order of the question; None for one that is no direction (not finite, or zero).

    Raises Failed when it does not answer this question: not JSON, wrong number, places doubled, lengths that differ.
    """
    try:
        found = _answers.decode(data).data
    except (msgspec.DecodeError, RecursionError) as error:
        raise Failed(f"the answer is no list of embeddings: {str(error)[:200]}", splits=True) from error
    if len(found) != count:
        raise Failed(f"{len(found)} vectors came for {count} texts")
    if sorted(one.index for one in found) != list(range(count)):
        raise Failed("the vectors do not say which text each belongs to")
    lengths = {len(one.embedding) for one in found}
    if len(lengths) != 1 or not 2 <= (length := lengths.pop()) <= MAX_DIMS:
        raise Failed("the vectors are not of one length between 2 and 8192")
    table = np.empty((count, length), dtype=np.float32)
    with np.errstate(over="ignore"):
        for one in found:
            table[one.index] = one.embedding
    good: NDArray[np.bool_] = np.isfinite(table).all(axis=1) & (np.abs(table).max(axis=1) > 0)
    if not good.any():
        raise Failed("no vector of the answer is a direction", splits=True)
    return [table[place] if good[place] else None for place in range(count)]


def refused(status: int, said: str, wait: float | None) -> Failed:
    """What an answer that is none means."""
    if 300 <= status < 400:
        return Failed(f"HTTP {status}: redirects are not followed; give the address that it leads to", lasting=True)
    lasting = 400 <= status < 500 and status not in _PASSING
    return Failed(f"HTTP {status}: {said[:200]}", wait=wait, splits=status in _OF_A_TEXT, lasting=lasting)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date; None when absent or neither."""
    if not value:
        return None
    try:
        found = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        found = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
    return max(0.0, found) if found < float("inf") else None  # NaN is none as well


def pause(failures: int, wait: float | None) -> float:
    """Seconds to leave the endpoint alone after so many failures in a row; its own word counts up to an hour."""
    growing = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE)
    return max(growing, min(wait or 0.0, HOUR))


def pieces(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The values in order, at most ``size`` at a time."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


class Budget:
    """So many texts in any hour."""

    def __init__(self, per_hour: int) -> None:
        self._left = per_hour
        self._taken: deque[tuple[float, int]] = deque()

    def take(self, wanted: int, now: float) -> int:
        """How many of those wanted may be asked at this moment (monotonic seconds)."""
        self._renew(now)
        granted = min(wanted, self._left)
        if granted:
            self._left -= granted
            self._taken.append((now, granted))
        return granted

    def renewed_in(self, now: float) -> float:
        """Seconds until there is something left; an hour for a budget of none."""
        self._renew(now)
        if self._left:
            return 0.0
        return self._taken[0][0] + HOUR - now if self._taken else HOUR

    def _renew(self, now: float) -> None:
        while self._taken and self._taken[0][0] <= now - HOUR:
            self._left += self._taken.popleft()[1]


class Memory:
    """The vectors of the latest texts: a batch that has to be stored again, or a flood of one text, asks once."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._held: OrderedDict[bytes, Vector] = OrderedDict()

    def get(self, text: str) -> Vector | None:
        """Its vector, when it is among the latest."""
        key = _key(text)
        found = self._held.get(key)
        if found is not None:
            self._held.move_to_end(key)
        return found

    def put(self, text: str, vector: Vector) -> None:
        """Remember it; the one that was of no use for longest is forgotten."""
        self._held[_key(text)] = vector
        while len(self._held) > self._size:
            self._held.popitem(last=False)


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
