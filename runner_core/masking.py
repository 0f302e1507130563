"""Keeps known secrets out of whatever leaves a sandbox, in the encodings they usually hide in.

Matching is Aho-Corasick (Aho and Corasick, 1975) over all forms of all secrets at once; a stream is matched across
any cut. This is for accidents and for careless programs: a program that wants to hide a secret can.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote

import ahocorasick

SHORTEST = 6  # shorter secrets would blank out ordinary words
CANARY_TRIM = 7  # an agent was once told to leave out seven characters to get past a scanner


def forms(secret: str) -> set[bytes]:
    """A secret as it is, JSON-escaped, URL-quoted, in hex, reversed, and in base64 at each of its three alignments."""
    raw = secret.encode()
    found = {raw, json.dumps(secret)[1:-1].encode(), quote(secret, safe="").encode(), raw[::-1]}
    found |= {raw.hex().encode(), raw.hex().upper().encode()}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * shift + raw).rstrip(b"=")
            # Characters that also hold bits of what stands before or after the secret are no part of the needle.
            found.add(text[(0, 2, 3)[shift] : (len(text) if (shift + len(raw)) % 3 == 0 else -1)])
    return {form for form in found if len(form) >= SHORTEST}


def trimmed_forms(secret: str) -> set[bytes]:
    """``forms``, and the forms of the secret without its first or last seven characters when enough is left."""
    found = forms(secret)
    if len(secret) >= CANARY_TRIM + 12:
        found |= forms(secret[CANARY_TRIM:]) | forms(secret[:-CANARY_TRIM])
    return found


class Needles:
    """All forms of named secrets, ready to search. Too short or empty secrets are left out."""

    def __init__(self, secrets: Mapping[str, str], *, trimmed: bool = False) -> None:
        self._automaton = ahocorasick.Automaton()
        self._prefixes: set[str] = set()
        self._first: frozenset[str] = frozenset()
        self._longest = 0
        self._any = False
        self._trimmed = trimmed
        for name, secret in secrets.items():
            self._take(name, secret)
        self._ready()

    def add(self, name: str, secret: str) -> None:
        """One more secret, known from now on to all who search with these."""
        self._take(name, secret)
        self._ready()

    def _take(self, name: str, secret: str) -> None:
        if len(secret) < SHORTEST:
            return
        for form in trimmed_forms(secret) if self._trimmed else forms(secret):
            needle = form.decode("latin-1")
            if needle not in self._automaton:
                self._automaton.add_word(needle, (len(needle), name))
            self._prefixes.update(needle[:size] for size in range(1, len(needle)))
            self._longest = max(self._longest, len(needle))
            self._first |= {needle[0]}
            self._any = True

    def _ready(self) -> None:
        if self._any:
            self._automaton.make_automaton()

    def find(self, text: str) -> list[tuple[int, int, str]]:
        """Merged, ordered (start, end, name) of all hits in latin-1 text."""
        if not self._any:
            return []
        spans = sorted((end - size + 1, end + 1, name) for end, (size, name) in self._automaton.iter(text))
        merged: list[tuple[int, int, str]] = []
        for start, end, name in spans:
            if merged and start < merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]), merged[-1][2])
            else:
                merged.append((start, end, name))
        return merged

    def names_in(self, data: bytes) -> set[str]:
        """Names of the secrets that ``data`` holds."""
        return {name for _, _, name in self.find(data.decode("latin-1"))}

    def mask(self, text: str) -> str:
        """``text`` with each secret replaced by ``[redacted:<name>]``."""
        if not self._any:
            return text
        data = text.encode("utf-8", "replace").decode("latin-1")
        hits = self.find(data)
        return _replace(data, hits).decode("utf-8", "replace") if hits else text

    def undecided(self, text: str) -> int:
        """Where the longest end of ``text`` begins that could be the beginning of a secret; its length if none."""
        for start in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[start] in self._first and text[start:] in self._prefixes:
                return start
        return len(text)


class Masker:
    """Masks a stream of bytes, whatever the cuts; holds back only what could still become a secret."""

    def __init__(self, needles: Needles) -> None:
        self._needles = needles
        self._held = ""

    def feed(self, data: bytes) -> bytes:
        text = self._held + data.decode("latin-1")
        cut = self._needles.undecided(text)
        hits = self._needles.find(text)
        for start, end, _ in reversed(hits):
            if start < cut < end:
                cut = start  # an undecided end overlaps a hit: decide both together
        self._held = text[cut:]
        return _replace(text[:cut], [hit for hit in hits if hit[1] <= cut])

    def flush(self) -> bytes:
        held, self._held = self._held, ""
        return _replace(held, self._needles.find(held))


def _replace(text: str, hits: Iterable[tuple[int, int, str]]) -> bytes:
    parts: list[str] = []
    position = 0
    for start, end, name in hits:
        parts += [text[position:start], f"[redacted:{name}]"]
        position = end
    parts.append(text[position:])
    return "".join(parts).encode("latin-1")
