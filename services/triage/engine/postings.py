"""Which reports have a term: for each term the latest POSTINGS_KEPT document numbers, in one array.

A term owns a piece of the array, of one of a few sizes; a full piece moves to one of the next size and is used
again by another term. The largest is a ring. All terms of a report are entered at once.
"""

import numpy as np

from services.triage.engine.grow import I32, I64, Grow, spans

SIZES = np.array([0, 1, 2, 4, 8, 16, 64, 256, 1_024, 4_096], dtype=np.int64)
POSTINGS_KEPT = int(SIZES[-1])
LARGEST = len(SIZES) - 1


class Postings:
    """Document numbers by term number."""

    def __init__(self) -> None:
        self._pool = Grow(np.int32)
        self._start = Grow(np.int64)
        self._size = Grow(np.int8)
        self._count = Grow(np.int32)
        self._free: list[list[int]] = [[] for _ in SIZES]

    def know(self, terms: int) -> None:
        """Makes room for this many terms in all."""
        for part in (self._start, self._size, self._count):
            part.more(terms - part.size)

    def kept(self, terms: I32) -> I64:
        """How many document numbers each term has here."""
        return np.asarray(np.minimum(self._count.view.take(terms), POSTINGS_KEPT), dtype=np.int64)

    def add(self, terms: I32, doc: int) -> None:
        """Enters a document under each of its distinct terms."""
        at = terms.astype(np.int64)
        count = self._count.view.take(at)
        size = self._size.view.take(at)
        full = ((count >= SIZES.take(size)) & (size < LARGEST)).nonzero()[0]
        sizes = size.take(full)
        for each in sorted(set(sizes.tolist())):
            self._enlarge(at.take(full[sizes == each]), each)
        self._pool.view[self._start.view.take(at) + count % SIZES.take(self._size.view.take(at))] = doc
        self._count.view[at] = count + 1

    def _enlarge(self, terms: I64, size: int) -> None:
        new = self._take(size + 1, len(terms))
        if size:
            span = np.arange(SIZES[size])
            old = self._start.view.take(terms)
            pool = self._pool.view
            pool[new[:, None] + span] = pool[old[:, None] + span]
            self._free[size].extend(old.tolist())
        self._start.view[terms] = new
        self._size.view[terms] = size + 1

    def _take(self, size: int, count: int) -> I64:
        free = self._free[size]
        used = free[max(0, len(free) - count) :]
        del free[len(free) - len(used) :]
        missing = count - len(used)
        width = int(SIZES[size])
        first = self._pool.more(missing * width) if missing else 0
        return np.array([*used, *range(first, first + missing * width, width)], dtype=np.int64)

    def of(self, terms: I32) -> I32:
        """The document numbers of several terms, one after the other (`kept` says how many each)."""
        found: I32 = self._pool.view.take(spans(self._start.view.take(terms), self.kept(terms)))
        return found
