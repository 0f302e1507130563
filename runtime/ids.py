"""Identifiers: time-sortable random ones, and ones derived from what they name."""

import hashlib
import os
import time
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base32, as in the ULID specification
LENGTH: Final = 26
_SHIFTS: Final = tuple(range(5 * (LENGTH - 1), -1, -5))


def _encode(value: int) -> str:
    return "".join([ALPHABET[(value >> shift) & 31] for shift in _SHIFTS])


def new_id(prefix: str = "") -> str:
    """A ULID (48 bits of milliseconds, 80 random bits) as 26 characters of ``0-9A-Z``, after ``prefix``."""
    milliseconds = time.time_ns() // 1_000_000
    return prefix + _encode((milliseconds << 80) | int.from_bytes(os.urandom(10), "big"))


def derived(*parts: str) -> str:
    """26 characters that are the same for the same parts: 130 bits of SHA-256 over the length-prefixed parts."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return _encode(int.from_bytes(digest.digest()[:17], "big") >> 6)
