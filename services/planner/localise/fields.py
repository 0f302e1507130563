"""BM25 over numpy arrays (Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework", k1 1.2)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_K1 = 1.2


class Field:
    """Postings of one text field: `score` gives one float per document."""

    def __init__(
        self,
        terms: npt.NDArray[np.uint32],
        documents: npt.NDArray[np.int32],
        counts: npt.NDArray[np.uint16],
        size: int,
        b: float,
    ) -> None:
        """Parallel arrays of (term, document, count), any order, each pair once; `size` documents in all."""
        order = np.argsort(terms, kind="stable")
        self._terms, self._starts = np.unique(terms[order], return_index=True)
        self._ends = np.append(self._starts[1:], len(terms))
        self._documents = documents[order]
        self.size = size
        lengths = np.bincount(documents, weights=counts, minlength=size).astype(np.float32)
        mean = float(lengths.sum()) / max(1, int(np.count_nonzero(lengths)))
        damping = (_K1 * (1 - b + b * lengths / max(mean, 1.0))).astype(np.float32)
        tf = counts[order].astype(np.float32)
        self._impact: Floats = tf * np.float32(_K1 + 1) / (tf + damping[self._documents])

    def _find(self, term: int) -> slice | None:
        at = int(np.searchsorted(self._terms, np.uint32(term)))
        if at == len(self._terms) or int(self._terms[at]) != term:
            return None
        return slice(int(self._starts[at]), int(self._ends[at]))

    def frequency(self, term: int) -> int:
        """How many documents hold the term."""
        where = self._find(term)
        return 0 if where is None else where.stop - where.start

    def idf(self, term: int) -> float:
        """ln(1 + (N - n + 0.5) / (n + 0.5)); the rarest for an unknown term."""
        n = self.frequency(term)
        return float(np.log1p((self.size - n + 0.5) / (n + 0.5)))

    def documents(self, term: int) -> npt.NDArray[np.int32]:
        """The documents that hold the term."""
        where = self._find(term)
        return self._documents[:0] if where is None else self._documents[where]

    def score(self, query: Mapping[int, float]) -> Floats:
        """Sum over the query's terms of weight * idf * impact."""
        scores = np.zeros(self.size, dtype=np.float32)
        for term, weight in sorted(query.items()):
            where = self._find(term)
            if where is not None:
                idf = np.log1p((self.size - (where.stop - where.start) + 0.5) / (where.stop - where.start + 0.5))
                scores[self._documents[where]] += np.float32(weight * idf) * self._impact[where]
        return scores


class FieldBuilder:
    """Collects (terms, counts) document by document."""

    def __init__(self, b: float) -> None:
        self._b = b
        self._terms: list[npt.NDArray[np.uint32]] = []
        self._counts: list[npt.NDArray[np.uint16]] = []
        self._documents: list[npt.NDArray[np.int32]] = []
        self._size = 0

    def add(self, terms: npt.NDArray[np.uint32], counts: npt.NDArray[np.uint16]) -> None:
        """One more document."""
        self.add_pieces(terms, counts, np.zeros(len(terms), dtype=np.int32), 1)

    def add_pieces(
        self,
        terms: npt.NDArray[np.uint32],
        counts: npt.NDArray[np.uint16],
        piece: npt.NDArray[np.int32],
        pieces: int,
    ) -> None:
        """`pieces` more documents; `piece` says which of them each term belongs to."""
        self._terms.append(terms)
        self._counts.append(counts)
        self._documents.append(piece + np.int32(self._size))
        self._size += pieces

    def build(self) -> Field:
        """The finished field; the builder is empty afterwards."""
        empty_terms, empty_counts = np.zeros(0, np.uint32), np.zeros(0, np.uint16)
        field = Field(
            np.concatenate([empty_terms, *self._terms]),
            np.concatenate([np.zeros(0, np.int32), *self._documents]),
            np.concatenate([empty_counts, *self._counts]),
            self._size,
            self._b,
        )
        self._terms, self._counts, self._documents = [], [], []
        return field


def best_of_groups(scores: Floats, groups: npt.NDArray[np.int32], size: int, keep: int) -> Floats:
    """Sum of the `keep` best scores of each group (chunks of a file)."""
    hit = np.flatnonzero(scores > 0)
    result = np.zeros(size, dtype=np.float32)
    if not len(hit):
        return result
    order = hit[np.lexsort((-scores[hit], groups[hit]))]
    owner = groups[order]
    first = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.r_[first, len(order)]))
    kept = rank < keep
    np.add.at(result, owner[kept], scores[order[kept]])
    return result
