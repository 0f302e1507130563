"""Cleaning and tokens: pure functions from hostile text to terms, plus the learned boilerplate filter."""

import re
import zlib
from collections.abc import Iterable

import numpy as np
import Stemmer

MAX_CHARS = 24_000
MAX_LINES = 400
MAX_TOKENS = 1_200

_BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\u200b-\u200f\u2028\u2029\ufeff]")
_STAMP = re.compile(
    r"\d{4}[-/]\d\d?[-/]\d\d?(?:[T ,]+\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    r"|\b\d\d?:\d\d:\d\d(?:[.,]\d+)?\b"
    r"|\b0x[0-9a-fA-F]{4,16}\b"
    r"|\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"
    r"|\b(?=[0-9a-f]*\d)(?=[0-9]*[a-f])[0-9a-f]{12,64}\b"
)
_TOKEN = re.compile(r"\w+(?:[.:$]{1,2}\w+)*|\w+")
_DIGITS = re.compile(r"\d+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\da-zA-Z_]+")
_CODEISH = re.compile(r"[._:$\d]|[a-z][A-Z]|^[A-Z]{3,}$")

_stemmer = Stemmer.Stemmer("english")
_words: dict[str, tuple[tuple[str, ...], str | None]] = {}
_WORDS_KEPT = 200_000


def plain(text: str | None) -> str:
    """Text without control characters, lone surrogates, time stamps and addresses; cut to MAX_CHARS."""
    if not text:
        return ""
    return _STAMP.sub(" ", _BAD.sub(" ", text[:MAX_CHARS]))


def token_parts(token: str) -> tuple[tuple[str, ...], str | None]:
    """(stems of the words inside a token, the token itself as an identifier or None when it is prose)."""
    known = _words.get(token)
    if known is not None:
        return known
    parts = [p.lower() for p in _PART.findall(token)][:8]
    stems = tuple(_stemmer.stemWord(p) if p.isascii() else p[:24] for p in parts if len(p) > 1 or not p.isascii())
    ident = token[:80].lower() if len(token) > 2 and _CODEISH.search(token) else None
    if len(_words) >= _WORDS_KEPT:
        _words.clear()
    _words[token] = (stems, ident)
    return stems, ident


def tokens(text: str) -> list[str]:
    """Raw tokens of a text, dotted and coloned names kept whole, at most MAX_TOKENS."""
    return _TOKEN.findall(text)[:MAX_TOKENS]


def line_key(line: str) -> int:
    """A 32-bit key of a line with digits folded: equal for lines that differ in numbers only."""
    return zlib.crc32(_DIGITS.sub("0", line).lower().encode("utf-8", "replace"))


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
        limit = max(8, self.reports // 50)
        kept: list[str] = []
        keys: list[int] = []
        for raw in text.split("\n")[:MAX_LINES]:
            line = raw.strip()
            if len(line) < 4:
                kept.append(line)
                continue
            key = line_key(line)
            keys.append(key)
            if self._count(key) < limit:
                kept.append(line)
        return "\n".join(kept), keys

    def learn(self, keys: Iterable[int]) -> None:
        """Counts the lines of one report (distinct keys)."""
        self.reports += 1
        self._shift(keys, 1)

    def unlearn(self, keys: Iterable[int]) -> None:
        """Takes a deleted report's lines back."""
        self.reports -= 1
        self._shift(keys, -1)

    def _shift(self, keys: Iterable[int], by: int) -> None:
        for key in keys:
            for row, at in enumerate(self._slots(key)):
                count = int(self.counts[row, at]) + by
                if 0 <= count <= 65_535:
                    self.counts[row, at] = count

    def _slots(self, key: int) -> tuple[int, int]:
        return key % self.SIZE, ((key * 0x9E3779B1) >> 12) % self.SIZE

    def _count(self, key: int) -> int:
        first, second = self._slots(key)
        return min(int(self.counts[0, first]), int(self.counts[1, second]))
