"""Cleaning and tokens: pure functions from hostile text to terms, plus the learned boilerplate filter."""

import re
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
import Stemmer
from numpy.typing import NDArray

from services.triage.engine.grow import I64, U64

MAX_CHARS = 24_000
MAX_LINES = 400
MAX_TOKENS = 1_200

Keys = tuple[tuple[int, ...], int]

_BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\u200b-\u200f\u2028\u2029\ufeff]")
# The first character is taken before anything is asked about it (what follows looks back at it): a pattern that begins
# with a class lets the scanner pass over all other characters, which is several times faster than one that begins
# with alternatives. `(?<!\w[...])` is a border of a word before that first character.
_STAMP = re.compile(
    r"[\da-fA-F](?:"
    r"(?<=\d)\d{3}[-/]\d\d?[-/]\d\d?(?:[T ,]+\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|(?<!\w[\da-fA-F])(?:"
    r"(?<=\d)\d?:\d\d:\d\d(?:[.,]\d+)?\b"
    r"|(?<=0)x[0-9a-fA-F]{4,16}\b"
    r"|(?<=[0-9a-fA-F])[0-9a-fA-F]{7}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"
    r"|(?:(?<=[0-9])(?=[0-9]*[a-f])|(?<=[a-f])(?=[0-9a-f]*\d))[0-9a-f]{11,63}\b))"
)
_TOKEN = re.compile(r"\w+(?:[.:$]{1,2}\w+)*")
_DIGITS = re.compile(r"\d+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\da-zA-Z_]+")
_CODEISH = re.compile(r"[._:$\d]|[a-z][A-Z]|^[A-Z]{3,}$")

_stemmer = Stemmer.Stemmer("english")
_keys: dict[str, Keys] = {}
_older_keys: dict[str, Keys] = {}
_KEYS_KEPT = 20_000
_LONGEST_KEPT = 60


def plain(text: str | None) -> str:
    """Text without control characters, lone surrogates, time stamps and addresses; cut to MAX_CHARS."""
    if not text:
        return ""
    return _STAMP.sub(" ", _BAD.sub(" ", text[:MAX_CHARS]))


def token_parts(token: str) -> tuple[tuple[str, ...], str | None]:
    """(stems of the words inside a token, the token itself as an identifier or None when it is prose)."""
    if token.isdigit() and token.isascii():  # numbers are most of the tokens never met before
        return (token,) if len(token) > 1 else (), token[:80] if len(token) > 2 else None
    parts = [part.lower() for part in _PART.findall(token)][:8]
    if token.isascii():
        stems = tuple(_stemmer.stemWords([part for part in parts if len(part) > 1]))
    else:
        parts = [part for part in parts if len(part) > 1 or not part.isascii()]
        stems = tuple([_stemmer.stemWord(part) if part.isascii() else part[:24] for part in parts])
    ident = token[:80].lower() if len(token) > 2 and _CODEISH.search(token) else None
    return stems, ident


def checksum(text: str) -> int:
    """What stands for a text in the engine's memory, 32 bits."""
    return zlib.crc32(text.encode("utf-8", "replace"))


def token_keys(token: str) -> Keys:
    """Checksums of the `token_parts`: of the stems, and of the identifier or 0."""
    return _keys.get(token) or _read_keys(token)


def keys_of(words: Iterable[str]) -> list[Keys]:
    """The `token_keys` of many tokens."""
    known = _keys.get
    return [known(word) or _read_keys(word) for word in words]


def _read_keys(token: str) -> Keys:
    found = _older_keys.get(token)
    if found is None:
        stems, ident = token_parts(token)
        found = (tuple(map(checksum, stems)), checksum(ident) if ident else 0)
    if len(token) <= _LONGEST_KEPT:  # or a stranger could fill the memory with words of a page each
        if len(_keys) >= _KEYS_KEPT:
            _older_keys.clear()
            _older_keys.update(_keys)
            _keys.clear()
        _keys[token] = found
    return found


def tokens(text: str) -> list[str]:
    """Raw tokens of a text, dotted and coloned names kept whole, at most MAX_TOKENS."""
    return _TOKEN.findall(text)[:MAX_TOKENS]


def line_key(line: str) -> int:
    """A 32-bit key of a line with digits folded: equal for lines that differ in numbers only."""
    return checksum(_DIGITS.sub("0", line).lower())


class Boilerplate:
    """Lines that many earlier reports also carried (templates, environment blocks), learned from the stream.

    A count-min sketch of two rows: 1 MB whatever the number of reports; counts are never too low.
    """

    SIZE = 1 << 18

    def __init__(self) -> None:
        self.counts = np.zeros((2, self.SIZE), dtype=np.uint16)
        self.reports = 0

    def filter(self, text: str) -> tuple[str, list[int]]:
        """(text without boilerplate, the line keys to pass to `learn`). A line is dropped from the
        eighth report on, or when one report in fifty carries it, whichever is more."""
        lines = [line.strip() for line in text.split("\n")[:MAX_LINES]]
        text = "\n".join(lines)
        long = [place for place, line in enumerate(lines) if len(line) >= 4]
        if not long:
            return text, []
        folded = _DIGITS.sub("0", text).lower().split("\n")
        keys = [checksum(folded[place]) for place in long]
        limit = max(8, self.reports // 50)
        known = self._counts(np.array(keys, dtype=np.uint64)) >= limit
        if not known.any():
            return text, keys
        gone = {long[place] for place in np.flatnonzero(known).tolist()}
        return "\n".join(line for place, line in enumerate(lines) if place not in gone), keys

    def learn(self, keys: Sequence[int] | NDArray[np.uint32]) -> None:
        """Counts the lines of one report (distinct keys)."""
        self.reports += 1
        self._shift(keys, 1)

    def unlearn(self, keys: Sequence[int] | NDArray[np.uint32]) -> None:
        """Takes a deleted report's lines back."""
        self.reports -= 1
        self._shift(keys, -1)

    def _shift(self, keys: Sequence[int] | NDArray[np.uint32], by: int) -> None:
        for row, at in zip(self.counts, self._slots(np.asarray(keys, dtype=np.uint64)), strict=True):
            count = row.take(at).astype(np.int32) + by
            row[at] = np.minimum(np.maximum(count, 0), 65_535)

    def _slots(self, keys: U64) -> tuple[I64, I64]:
        size = np.uint64(self.SIZE - 1)
        second = (keys * np.uint64(0x9E3779B1)) >> np.uint64(12)
        return (keys & size).astype(np.int64), (second & size).astype(np.int64)

    def _counts(self, keys: U64) -> I64:
        first, second = self._slots(keys)
        return np.asarray(np.minimum(self.counts[0].take(first), self.counts[1].take(second)), dtype=np.int64)
