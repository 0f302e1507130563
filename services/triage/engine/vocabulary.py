"""Terms as numbers: an open-addressing hash table in numpy, looked up for a whole report at once.

A term is known by 64 bits, its kind and a checksum of its text; the text itself is not kept. Two texts of one
kind with the same 32-bit checksum count as one term (of a million terms, about a hundred).
"""

import numpy as np

from services.triage.engine.grow import I32, I64, U64, Grow

_FULL = 0.4
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Vocabulary:
    """Numbers of terms in order of their first appearance."""

    def __init__(self) -> None:
        self.keys = Grow(np.uint64)
        self._slots = np.full(1 << 12, -1, dtype=np.int32)

    @property
    def size(self) -> int:
        """Terms known."""
        return self.keys.size

    def numbers(self, keys: U64) -> I32:
        """The number of each of these distinct terms; new ones are entered in the order given."""
        found = self._find(keys)
        new = np.flatnonzero(found < 0)
        if len(new):
            fresh = np.arange(self.size, self.size + len(new), dtype=np.int32)
            found[new] = fresh
            self.keys.extend(keys[new])
            if self.size > _FULL * len(self._slots):
                self._slots = np.full(4 * len(self._slots), -1, dtype=np.int32)
                self._enter(self.keys.view, np.arange(self.size, dtype=np.int32))
            else:
                self._enter(keys[new], fresh)
        return found

    def _home(self, keys: U64) -> tuple[I64, I64]:
        """First place and step of each key: double hashing, so that full places do not run together."""
        mixed = (keys ^ (keys >> np.uint64(29))) * _MULTIPLIER
        mask = np.uint64(len(self._slots) - 1)
        step = (mixed >> np.uint64(8)) & mask | np.uint64(1)
        return (mixed >> np.uint64(36) & mask).astype(np.int64), step.astype(np.int64)

    def _find(self, keys: U64) -> I32:
        found = np.full(len(keys), -1, dtype=np.int32)
        if not self.size:
            return found
        at, step = self._home(keys)
        left = np.arange(len(keys))
        mask, known = len(self._slots) - 1, self.keys.view
        while len(left):
            held = self._slots.take(at)
            there = (held >= 0).nonzero()[0]
            left, step, at, held = left.take(there), step.take(there), at.take(there), held.take(there)
            same = known.take(held) == keys.take(left)
            found[left[same]] = held[same]
            on = (~same).nonzero()[0]
            left, step = left.take(on), step.take(on)
            at = (at.take(on) + step) & mask
        return found

    def _enter(self, keys: U64, numbers: I32) -> None:
        at, step = self._home(keys)
        mask = len(self._slots) - 1
        while len(numbers):
            free = (self._slots.take(at) < 0).nonzero()[0]
            self._slots[at.take(free)] = numbers.take(free)
            on = (self._slots.take(at) != numbers).nonzero()[0]
            numbers, step = numbers.take(on), step.take(on)
            at = (at.take(on) + step) & mask
