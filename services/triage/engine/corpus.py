"""Term store of the earlier reports: document frequencies, retrieval by shared terms, the terms of each report."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.triage.engine.grow import F32, F64, I32, I64, U64, Grow, spans
from services.triage.engine.postings import Postings
from services.triage.engine.priors import PRIOR_REPORTS, expected
from services.triage.engine.vocabulary import Vocabulary

# Kinds of terms. Every kind is a name space of its own in the vocabulary.
WORD, TITLE, IDENT, FRAME, TRACE_WORD, ERROR, FRAME_PAIR, PAIR = range(8)
KINDS = 8
RECENT = 300
# Weights of earlier reports' terms are taken from the document frequencies at the last of these moments.
EPOCH = 10
_KIND_BITS = np.uint64(32)
_CHECKSUM = np.uint64(0xFFFFFFFF)
_LEAST_IDF = np.float32(0.05)


def key(kind: int, checksums: U64) -> U64:
    """Vocabulary keys of terms of one kind."""
    return checksums | np.uint64(kind << 32)


class Wanted:
    """One retrieval: which kinds of terms, how many documents, how many postings may be read.

    `recent` > 0 takes that many of the best among the latest RECENT documents as well.
    """

    def __init__(self, kinds: Sequence[int], top: int, budget: int, recent: int = 0) -> None:
        self.mask = np.zeros(KINDS, dtype=np.bool_)
        self.mask[list(kinds)] = True
        self.top, self.budget, self.recent = top, budget, recent


def _best(docs: I64, table: F64, norms: F32, wanted: Wanted) -> I64:
    columns = wanted.mask.astype(np.float64)
    total = table @ columns
    some = np.flatnonzero(total > 0)
    score = total[some] / np.sqrt(norms[some] @ columns + 20.0)
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
    """Terms of all reports in arrival order. Document numbers are positions, never reused.

    The terms of a report are stored in the order titles, other words and names, trace terms.
    """

    def __init__(self) -> None:
        self.vocabulary = Vocabulary()
        self.postings = Postings()
        self.kind = Grow(np.int8)
        self.twin = Grow(np.int32)
        self.df = Grow(np.int32)
        self._prior = Grow(np.float16)
        self._log_df = Grow(np.float32)
        self._epoch_log_df = Grow(np.float32)
        self.docs_of_kind = np.zeros(KINDS, dtype=np.int64)
        self._epoch_docs = np.zeros(KINDS, dtype=np.float32)
        self._epoch = 0
        self._next_epoch = 1
        self._pool = Grow(np.int32)
        self._weights = Grow(np.float16)
        self._parts = Grow(np.int32, 2)
        self._start = Grow(np.int64)
        self._start.extend([0])
        self._norms = Grow(np.float32, KINDS)
        self._measured = Grow(np.int32)
        self._measures = Grow(np.float32, 2 * KINDS)
        self._mark = np.zeros(0, dtype=np.bool_)
        self._slot = np.zeros(0, dtype=np.int32)
        self._places = np.zeros(1_024, dtype=np.int32)

    @property
    def size(self) -> int:
        """Reports stored."""
        return self._start.size - 1

    def terms(self, keys: U64) -> I32:
        """Term numbers of distinct vocabulary keys, new ones entered (with no document yet)."""
        known = self.vocabulary.size
        found = self.vocabulary.numbers(keys)
        if self.vocabulary.size > known:
            new = self.vocabulary.keys.view[known:].copy()
            titles = np.flatnonzero(new >> _KIND_BITS == TITLE)
            twins = self.vocabulary.numbers(key(WORD, new[titles] & _CHECKSUM))
            self._know(self.vocabulary.keys.view[known:])
            self.twin.view[known + titles] = twins
        return found

    def _know(self, keys: U64) -> None:
        kinds = (keys >> _KIND_BITS).astype(np.int8)
        prior = expected(keys)
        self.kind.extend(kinds)
        self.twin.more(len(keys))
        self.df.more(len(keys))
        self._prior.extend(prior)
        self._log_df.extend(np.log(prior + 0.5))
        self._epoch_log_df.extend(np.log(prior + 1.5))
        self.postings.know(self.vocabulary.size)

    def idf(self, terms: I32) -> F32:
        """Inverse document frequency among the reports that have the term's kind at all; > 0."""
        docs = _log_docs(self.docs_of_kind)
        return np.asarray(np.maximum(docs[self.kind.view[terms]] - self._log_df.view[terms], _LEAST_IDF))

    def norms(self, terms: I32, weights: F32, idf: F32) -> F32:
        """Squared length of a document per kind of term."""
        kinds = self.kind.view[terms]
        return np.bincount(kinds, weights=(weights * idf) ** 2, minlength=KINDS).astype(np.float32)

    def add(self, terms: I32, weights: F32, norms: F32) -> int:
        """Stores a report's distinct terms (and counts them); returns its document number."""
        doc = self.size
        kinds = self.kind.view[terms]
        group = np.array([1, 0, 1, 2, 2, 1, 2, 1])[kinds]
        order = np.argsort(group, kind="stable")
        self._pool.extend(terms[order])
        self._weights.extend(weights[order])
        self._start.extend([self._pool.size])
        self._parts.extend([(int((group == 0).sum()), int((group < 2).sum()))])
        self._norms.extend([norms])
        self._measured.extend([-1])
        self._measures.more(1)
        self._count(terms, 1)
        self.docs_of_kind += np.bincount(kinds, minlength=KINDS) > 0
        self.postings.add(terms, doc)
        if self.size >= self._next_epoch:
            self._epoch += 1
            self._next_epoch = self.size + 1 + self.size // EPOCH
            self._epoch_log_df.view[:] = self._log_df.view
            self._epoch_docs = _log_docs(self.docs_of_kind)
        return doc

    def _count(self, terms: I32, by: int) -> None:
        counts = self.df.view[terms] + by
        self.df.view[terms] = counts
        self._log_df.view[terms] = np.log(counts + self._prior.view[terms].astype(np.float32) + np.float32(0.5))

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
        cell = self._slot[flat] * KINDS + column
        table = np.bincount(cell, weights=worth, minlength=len(docs) * KINDS).astype(np.float64)
        table = table.reshape(-1, KINDS)
        norms = self._norms.view[docs]
        return [_best(docs, table, norms, wanted) for wanted in plan]

    def _read(self, terms: I32, gain: F32, plan: Sequence[Wanted]) -> tuple[I32, I32, F32]:
        df = self.df.view[terms]
        kinds = self.kind.view[terms]
        order = np.argsort(df, kind="stable")
        order = order[df[order] > 0]
        sizes = self.postings.kept(terms[order])
        chosen = np.zeros(len(order), dtype=np.bool_)
        for wanted in plan:
            mine = np.flatnonzero(wanted.mask[kinds[order]])
            chosen[mine[: 1 + int(np.searchsorted(np.cumsum(sizes[mine])[1:], wanted.budget))]] = True
        places, lengths = order[chosen], sizes[chosen]
        flat = self.postings.of(terms[places])
        return flat, np.repeat(kinds[places].astype(np.int32), lengths), np.repeat(gain[places], lengths)

    def shared(self, terms: I32, docs: I64, traces: bool) -> tuple[I64, I64, F32]:
        """What `terms` share with documents: (row in `docs`, place in `terms`, the document's weight), one
        entry for each shared term. Without `traces` only terms before a document's first trace term."""
        start = self._start.view[docs]
        length = self._start.view[docs + 1] - start if traces else self._parts.view[docs, 1].astype(np.int64)
        at = spans(start, length)
        place = self._places_of(terms)[self._pool.view[at]]
        hits = np.flatnonzero(place)
        rows = np.searchsorted(np.cumsum(length), hits, side="right")
        found = place[hits].astype(np.int64) - 1
        self._places[terms] = 0
        return rows, found, self._weights.view[at[hits]].astype(np.float32)

    def shared_titles(self, words: I32, docs: I64) -> tuple[I64, I32]:
        """Title terms of documents whose words are among `words`: (row in `docs`, term)."""
        length = self._parts.view[docs, 0].astype(np.int64)
        titles = self._pool.view[spans(self._start.view[docs], length)]
        hits = np.flatnonzero(self._places_of(words)[self.twin.view[titles]])
        self._places[words] = 0
        return np.searchsorted(np.cumsum(length), hits, side="right"), titles[hits]

    def among(self, terms: I32, others: I32) -> NDArray[np.bool_]:
        """Which of `terms` are among `others`."""
        found = self._places_of(others)[terms] > 0
        self._places[others] = 0
        return np.asarray(found)

    def _places_of(self, terms: I32) -> I32:
        """For every term of the vocabulary its place in `terms` plus one, or 0. Set back to 0 by the caller."""
        if len(self._places) < self.vocabulary.size:
            self._places = np.zeros(2 * self.vocabulary.size, dtype=np.int32)
        self._places[terms] = np.arange(1, len(terms) + 1, dtype=np.int32)
        return self._places

    def measures(self, docs: I64) -> tuple[F32, F32]:
        """Per kind of term (rows, KINDS): squared length of documents, sum of their terms' idf.

        With the frequencies of the last epoch: epochs are a tenth of the reports apart, the same on every run,
        and a report that is compared a hundred times is measured once in each.
        """
        stale = docs[self._measured.view[docs] != self._epoch]
        if len(stale):
            length = self._start.view[stale + 1] - self._start.view[stale]
            at = spans(self._start.view[stale], length)
            terms = self._pool.view[at]
            kinds = self.kind.view[terms].astype(np.int64)
            idf = np.maximum(self._epoch_docs[kinds] - self._epoch_log_df.view[terms], _LEAST_IDF)
            cell = np.repeat(np.arange(len(stale)) * KINDS, length) + kinds
            own = self._weights.view[at].astype(np.float32) * idf
            cells = len(stale) * KINDS
            self._measures.view[stale, :KINDS] = np.bincount(cell, own * own, cells).reshape(-1, KINDS)
            self._measures.view[stale, KINDS:] = np.bincount(cell, idf, cells).reshape(-1, KINDS)
            self._measured.view[stale] = self._epoch
        found: F32 = self._measures.view[docs]
        return found[:, :KINDS], found[:, KINDS:]

    def terms_of(self, doc: int) -> tuple[I32, F32]:
        """Distinct terms and weights of one document."""
        start, end = self._start.view[doc], self._start.view[doc + 1]
        return self._pool.view[start:end], self._weights.view[start:end].astype(np.float32)

    def forget(self, doc: int) -> None:
        """Takes a document's terms out of the counts; its postings are skipped by the caller."""
        terms, _ = self.terms_of(doc)
        self._count(terms, -1)
        self.docs_of_kind -= np.bincount(self.kind.view[terms], minlength=KINDS) > 0


def _log_docs(docs_of_kind: I64) -> F32:
    return np.asarray(np.log(docs_of_kind + (1.0 + PRIOR_REPORTS)), dtype=np.float32)
