"""Term store of the earlier reports: vocabulary, document frequencies, capped posting lists, term pools."""

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

# Kinds of terms. Every kind is a name space of its own in the vocabulary.
WORD, TITLE, IDENT, FRAME, TRACE_WORD, ERROR, FRAME_PAIR, PAIR = range(8)
KINDS = 8
POSTINGS_KEPT = 4_096
RECENT = 300
_NONE = -1
_OF_TRACES = np.isin(np.arange(KINDS), (FRAME, TRACE_WORD, FRAME_PAIR))
_LOG_HALF = float(np.log(0.5))


class Grow:
    """An append-only numpy array with amortised growth. `rows` = items, `width` = 0 for a flat array."""

    def __init__(self, dtype: type, width: int = 0) -> None:
        self._width = width
        self._data: NDArray[Any] = np.zeros((1_024, width) if width else 1_024, dtype=dtype)
        self.size = 0

    @property
    def view(self) -> NDArray[Any]:
        """The filled part; invalid after the next append."""
        return self._data[: self.size]

    def extend(self, rows: Sequence[object] | NDArray[np.generic]) -> None:
        """Appends rows (or scalars for a flat array)."""
        need = self.size + len(rows)
        if need > len(self._data):
            # Big arrays grow by an eighth: the spare half of a doubling would be most of the engine's memory.
            spare = len(self._data) // (2 if len(self._data) < 1 << 18 else 8)
            shape = (max(need, len(self._data) + spare), *self._data.shape[1:])
            grown = np.zeros(shape, dtype=self._data.dtype)
            grown[: self.size] = self._data[: self.size]
            self._data = grown
        self._data[self.size : need] = rows
        self.size = need


class Wanted:
    """One retrieval: which kinds of terms, how many documents, how many postings may be read.

    `recent` > 0 takes that many of the best among the latest RECENT documents as well.
    """

    def __init__(self, kinds: Sequence[int], top: int, budget: int, recent: int = 0) -> None:
        self.mask = np.zeros(KINDS, dtype=np.bool_)
        self.mask[list(kinds)] = True
        self.top, self.budget, self.recent = top, budget, recent


def _best(docs: I64, table: F64, norms: F32, wanted: Wanted) -> I64:
    total = table[:, wanted.mask].sum(axis=1)
    some = np.flatnonzero(total > 0)
    score = total[some] / np.sqrt(norms[some][:, wanted.mask].sum(axis=1) + 20.0)
    found = docs[some]
    late = found[-1] - RECENT if len(found) else 0
    best = _first(found, score, wanted.top)
    if wanted.recent:
        tail = found > late
        best = np.concatenate([best, _first(found[tail], score[tail], wanted.recent)])
    return best


def _first(docs: I64, score: F64, top: int) -> I64:
    if len(docs) > top:
        part = np.argpartition(-score, top)[:top]
        docs, score = docs[part], score[part]
    return docs[np.lexsort((-docs, -score))]


class Corpus:
    """Terms of all reports in arrival order. Document numbers are positions, never reused."""

    def __init__(self) -> None:
        self.vocabulary: dict[str, int] = {}
        self._names: list[str] = []
        self.kind = Grow(np.int8)
        self.twin = Grow(np.int32)
        self.df = Grow(np.int32)
        self._log_df = Grow(np.float32)
        self._postings: list[int | array[int]] = []
        self.docs_of_kind = np.zeros(KINDS, dtype=np.int64)
        self._pool = Grow(np.int32)
        self._weights = Grow(np.float16)
        self._plain = Grow(np.int32)
        self._start = Grow(np.int64)
        self._start.extend([0])
        self._norms = Grow(np.float32, KINDS)
        self._mark = np.zeros(0, dtype=np.bool_)
        self._slot = np.zeros(0, dtype=np.int32)

    @property
    def size(self) -> int:
        """Reports stored."""
        return self._start.size - 1

    def term(self, kind: int, text: str) -> int:
        """The number of a term, a new one when never seen."""
        key = f"{kind}{text}"
        number = self.vocabulary.get(key)
        if number is None:
            number = len(self.vocabulary)
            self.vocabulary[key] = number
            self._names.append(key)
            self.kind.extend([kind])
            self.df.extend([0])
            self._log_df.extend([_LOG_HALF])
            self._postings.append(_NONE)
            self.twin.extend([_NONE])
            if kind == TITLE:
                self.twin.view[number] = self.term(WORD, text)
        return number

    def text(self, term: int) -> str:
        """What a term number stands for."""
        return self._names[term][1:]

    def idf(self, terms: I32) -> F32:
        """Inverse document frequency among the reports that have the term's kind at all; >= 0."""
        docs = np.log(self.docs_of_kind + 1.0).astype(np.float32)
        idf = np.maximum(docs[self.kind.view[terms]] - self._log_df.view[terms], np.float32(0.05))
        return np.asarray(idf, dtype=np.float32)

    def key(self, term: int) -> str:
        """The vocabulary key of a term, for `terms`."""
        return self._names[term]

    def terms(self, keys: Sequence[str]) -> I32:
        """Term numbers of vocabulary keys, new ones entered."""
        known = self.vocabulary
        found = [known.get(key, _NONE) for key in keys]
        if _NONE in found:
            found = [self.term(int(key[0]), key[1:]) for key in keys]
        return np.array(found, dtype=np.int32)

    def norms(self, terms: I32, weights: F32, idf: F32) -> F32:
        """Squared length of a document per kind of term."""
        kinds = self.kind.view[terms]
        return np.bincount(kinds, weights=(weights * idf) ** 2, minlength=KINDS).astype(np.float32)

    def add(self, terms: I32, weights: F32, norms: F32) -> int:
        """Stores a report's distinct terms (and counts them); returns its document number."""
        doc = self.size
        self._pool.extend(terms)
        self._weights.extend(weights)
        self._start.extend([self._pool.size])
        traced = np.flatnonzero(_OF_TRACES[self.kind.view[terms]])
        self._plain.extend([int(traced[0]) if len(traced) else len(terms)])
        kinds = self.kind.view[terms]
        self._norms.extend([norms])
        self._count(terms, 1)
        self.docs_of_kind += np.bincount(kinds, minlength=KINDS) > 0
        postings = self._postings
        for term in terms.tolist():
            known = postings[term]
            if isinstance(known, array):
                known.append(doc)
                if len(known) > 2 * POSTINGS_KEPT:
                    del known[:POSTINGS_KEPT]
            else:
                postings[term] = doc if known == _NONE else array("i", (known, doc))
        return doc

    def _count(self, terms: I32, by: int) -> None:
        counts = self.df.view[terms] + by
        self.df.view[terms] = counts
        self._log_df.view[terms] = np.log(counts + 0.5)

    def search(self, terms: I32, gain: F32, plan: Sequence[Wanted]) -> list[I64]:
        """Documents sharing the weightiest of `terms`, best first, one list for each entry of `plan`.

        A document's score is the sum of `gain` over shared terms of the wanted kinds, damped by its own
        size. Rarest terms are read first, and no more postings than the budget of their group allows, so
        that the cost does not grow with the number of documents.
        """
        flat, column, worth = self._read(terms, gain, plan)
        if not len(flat):
            return [np.zeros(0, dtype=np.int64) for _ in plan]
        if len(self._mark) < self.size:
            self._mark = np.zeros(2 * self.size, dtype=np.bool_)
            self._slot = np.zeros(2 * self.size, dtype=np.int32)
        self._mark[flat] = True
        docs = np.flatnonzero(self._mark[: self.size])
        self._mark[docs] = False
        self._slot[docs] = np.arange(len(docs), dtype=np.int32)
        cell = self._slot[flat].astype(np.int64) * KINDS + column
        table = np.bincount(cell, weights=worth, minlength=len(docs) * KINDS).astype(np.float64)
        table = table.reshape(-1, KINDS)
        norms = self._norms.view[docs]
        return [_best(docs, table, norms, wanted) for wanted in plan]

    def _read(self, terms: I32, gain: F32, plan: Sequence[Wanted]) -> tuple[I32, I64, F32]:
        df = self.df.view[terms]
        kinds = self.kind.view[terms]
        order = np.argsort(df, kind="stable")
        order = order[df[order] > 0]
        sizes = np.minimum(df[order], POSTINGS_KEPT)
        chosen: dict[int, None] = {}
        for wanted in plan:
            mine = np.flatnonzero(wanted.mask[kinds[order]])
            fits = mine[: 1 + int(np.searchsorted(np.cumsum(sizes[mine])[1:], wanted.budget))]
            chosen.update(dict.fromkeys(order[fits].tolist()))
        postings = self._postings
        lists = []
        for at in chosen:
            found = postings[terms[at]]
            lists.append(found[-POSTINGS_KEPT:] if isinstance(found, array) else array("i", (found,)))
        if not lists:
            return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        places = np.fromiter(chosen, dtype=np.int64, count=len(chosen))
        lengths = [len(found) for found in lists]
        flat = np.frombuffer(b"".join(lists), dtype=np.int32)
        return flat, np.repeat(kinds[places].astype(np.int64), lengths), np.repeat(gain[places], lengths)

    def gather(self, docs: I64, traces: bool) -> tuple[I32, F32, I64]:
        """(terms, weights, row of each term) of several documents, one after the other. Without `traces`
        only the terms before a document's first trace term: for a query that has no trace to compare."""
        start = self._start.view[docs]
        length = self._start.view[docs + 1] - start if traces else self._plain.view[docs].astype(np.int64)
        ends = np.cumsum(length)
        rows = np.repeat(np.arange(len(docs)), length)
        at = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(start - (ends - length), length)
        return self._pool.view[at], self._weights.view[at].astype(np.float32), rows

    def terms_of(self, doc: int) -> tuple[I32, F32]:
        """Distinct terms and weights of one document."""
        start, end = self._start.view[doc], self._start.view[doc + 1]
        return self._pool.view[start:end], self._weights.view[start:end].astype(np.float32)

    def forget(self, doc: int) -> None:
        """Takes a document's terms out of the counts; its postings are skipped by the caller."""
        terms, _ = self.terms_of(doc)
        self._count(terms, -1)
        self.docs_of_kind -= np.bincount(self.kind.view[terms], minlength=KINDS) > 0
