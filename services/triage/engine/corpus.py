"""Term store of the earlier reports: document frequencies, retrieval by shared terms, the terms of each report."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.triage.engine.grow import F32, F64, I32, I64, U64, Grow, pieces
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


# Kinds in an order in which those of every view stand side by side.
_RANK = np.empty(KINDS, dtype=np.int8)
_RANK[[TITLE, WORD, IDENT, PAIR, ERROR, TRACE_WORD, FRAME, FRAME_PAIR]] = range(KINDS)
# What a retrieval looks at, as a span of these ranks.
TITLES, TEXTS, NAMES, TRACES, FRAMES = range(5)
_VIEWS = ((0, 1), (1, 5), (2, 4), (4, 8), (6, 8))
_KINDS_OF = np.array([np.isin(_RANK, np.arange(first, last)) for first, last in _VIEWS])
_GROUP = np.array([1, 0, 1, 2, 2, 1, 2, 1], dtype=np.int8)
_DAMPING = 20.0


class Wanted(msgspec.Struct, frozen=True):
    """One retrieval: which terms (a view), how many documents, how many postings may be read.

    `recent` > 0 takes that many of the best among the latest RECENT documents as well.
    """

    view: int
    top: int
    budget: int
    recent: int = 0


class _Read(msgspec.Struct):
    """Postings in the order of their terms' ranks: documents, and what each is worth. `ends`: those of the ranks."""

    docs: I64
    worth: F64
    ends: list[int]


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
        self._lengths = [Grow(np.float64) for _ in _VIEWS]
        self._measured = Grow(np.int32)
        self._measures = Grow(np.float32, 2 * KINDS)
        self._mark = np.zeros(0, dtype=np.bool_)
        self._slot = np.zeros(0, dtype=np.int64)
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
        docs = _log_docs(self.docs_of_kind).take(self.kind.view.take(terms))
        return np.asarray(np.maximum(docs - self._log_df.view.take(terms), _LEAST_IDF))

    def norms(self, terms: I32, weights: F32, idf: F32) -> F32:
        """Squared length of a document per kind of term."""
        kinds = self.kind.view.take(terms)
        return np.bincount(kinds, weights=(weights * idf) ** 2, minlength=KINDS).astype(np.float32)

    def add(self, terms: I32, weights: F32, norms: F32) -> int:
        """Stores a report's distinct terms (and counts them); returns its document number."""
        doc = self.size
        kinds = self.kind.view.take(terms)
        group = _GROUP.take(kinds)
        order = group.argsort(kind="stable")
        sizes = np.bincount(group, minlength=3).tolist()
        self._pool.extend(terms[order])
        self._weights.extend(weights[order])
        self._start.append(self._pool.size)
        self._parts.append((sizes[0], sizes[0] + sizes[1]))
        for lengths, view in zip(self._lengths, _KINDS_OF, strict=True):
            lengths.append(math.sqrt(float(norms[view].sum(dtype=np.float64)) + _DAMPING))
        self._measured.append(-1)
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
        at = terms.astype(np.int64)
        counts = self.df.view.take(at) + by
        self.df.view[at] = counts
        self._log_df.view[at] = np.log(counts + self._prior.view.take(at).astype(np.float32) + np.float32(0.5))

    def search(self, terms: I32, gain: F32, plan: Sequence[Wanted]) -> list[I64]:
        """Documents sharing the weightiest of `terms`, best first, one list for each entry of `plan`.

        A document's score is the sum of `gain` over shared terms of the wanted kinds, damped by its own
        size. Rarest terms are read first, and no more postings than the budget of their group allows, so
        that the cost does not grow with the number of documents.
        """
        read = self._read(terms, gain, plan)
        if not len(read.docs):
            return [np.zeros(0, dtype=np.int64) for _ in plan]
        if len(self._mark) < self.size:
            self._mark = np.zeros(2 * self.size, dtype=np.bool_)
            self._slot = np.zeros(2 * self.size, dtype=np.int64)
        self._mark[read.docs] = True
        docs = self._mark[: self.size].nonzero()[0]
        self._mark[docs] = False
        self._slot[docs] = np.arange(len(docs))
        slots = self._slot.take(read.docs)
        return [self._best(docs, slots, read, wanted) for wanted in plan]

    def _best(self, docs: I64, slots: I64, read: _Read, wanted: Wanted) -> I64:
        first, last = (read.ends[rank] for rank in _VIEWS[wanted.view])
        total = np.bincount(slots[first:last], read.worth[first:last], len(docs))
        some = (total > 0).nonzero()[0]
        found = docs.take(some)
        score = total.take(some) / self._lengths[wanted.view].view.take(found)
        best = _first(found, score, wanted.top)
        if wanted.recent and len(found):
            tail = int(np.searchsorted(found, found[-1] - RECENT, side="right"))
            best = np.concatenate([best, _first(found[tail:], score[tail:], wanted.recent)])
        return best

    def _read(self, terms: I32, gain: F32, plan: Sequence[Wanted]) -> _Read:
        df = self.df.view.take(terms)
        order = df.argsort(kind="stable")
        order = order[int(np.searchsorted(df.take(order), 0, side="right")) :]
        kinds = self.kind.view.take(terms.take(order))
        sizes = self.postings.kept(terms.take(order))
        chosen = np.zeros(len(order), dtype=np.bool_)
        for wanted in plan:
            mine = _KINDS_OF[wanted.view].take(kinds).nonzero()[0]
            chosen[mine[: 1 + int(np.searchsorted(sizes.take(mine).cumsum()[1:], wanted.budget))]] = True
        ranks = _RANK.take(kinds[chosen])
        by_rank = ranks.argsort(kind="stable")
        places, lengths = order[chosen][by_rank], sizes[chosen][by_rank]
        ends = np.bincount(ranks.take(by_rank), lengths, KINDS).cumsum().astype(np.int64).tolist()
        docs = self.postings.of(terms.take(places)).astype(np.int64)
        return _Read(docs, gain.take(places).astype(np.float64).repeat(lengths), [0, *ends])

    def shared(self, terms: I32, docs: I64, traces: bool) -> tuple[I64, I64, F32]:
        """What `terms` share with documents: (row in `docs`, place in `terms`, the document's weight), one
        entry for each shared term. Without `traces` only terms before a document's first trace term."""
        start = self._start.view.take(docs)
        length = self._start.view.take(docs + 1) - start if traces else self._parts.view[docs, 1].astype(np.int64)
        place = self._places_of(terms).take(pieces(self._pool.view, start, length))
        hits = (place != 0).nonzero()[0]
        ends = length.cumsum()
        rows = ends.searchsorted(hits, side="right")
        self._places[terms.astype(np.int64)] = 0
        at = hits + (start - ends + length).take(rows)
        return rows, place.take(hits).astype(np.int64) - 1, self._weights.view.take(at).astype(np.float32)

    def shared_titles(self, words: I32, docs: I64) -> tuple[I64, I32]:
        """Title terms of documents whose words are among `words`: (row in `docs`, term)."""
        length = self._parts.view[docs, 0].astype(np.int64)
        titles = pieces(self._pool.view, self._start.view.take(docs), length)
        hits = (self._places_of(words).take(self.twin.view.take(titles)) != 0).nonzero()[0]
        self._places[words.astype(np.int64)] = 0
        return length.cumsum().searchsorted(hits, side="right"), titles.take(hits)

    def among(self, terms: I32, others: I32) -> NDArray[np.bool_]:
        """Which of `terms` are among `others`."""
        found = self._places_of(others).take(terms) > 0
        self._places[others.astype(np.int64)] = 0
        return np.asarray(found)

    def _places_of(self, terms: I32) -> I32:
        """For every term of the vocabulary its place in `terms` plus one, or 0. Set back to 0 by the caller."""
        if len(self._places) < self.vocabulary.size:
            self._places = np.zeros(2 * self.vocabulary.size, dtype=np.int32)
        self._places[terms.astype(np.int64)] = np.arange(1, len(terms) + 1, dtype=np.int32)
        return self._places

    def measures(self, docs: I64) -> tuple[F32, F32]:
        """Per kind of term (rows, KINDS): squared length of documents, sum of their terms' idf.

        With the frequencies of the last epoch: epochs are a tenth of the reports apart, the same on every run,
        and a report that is compared a hundred times is measured once in each.
        """
        stale = docs[self._measured.view.take(docs) != self._epoch]
        if len(stale):
            self._measure(stale)
        found: F32 = self._measures.view.take(docs, axis=0)
        return found[:, :KINDS], found[:, KINDS:]

    def _measure(self, docs: I64) -> None:
        start = self._start.view.take(docs)
        length = self._start.view.take(docs + 1) - start
        terms = pieces(self._pool.view, start, length)
        kinds = self.kind.view.take(terms)
        idf = np.maximum(self._epoch_docs.take(kinds) - self._epoch_log_df.view.take(terms), _LEAST_IDF)
        cell = (np.arange(len(docs)) * KINDS).repeat(length) + kinds
        own = pieces(self._weights.view, start, length).astype(np.float32) * idf
        cells = len(docs) * KINDS
        self._measures.view[docs, :KINDS] = np.bincount(cell, own * own, cells).reshape(-1, KINDS)
        self._measures.view[docs, KINDS:] = np.bincount(cell, idf, cells).reshape(-1, KINDS)
        self._measured.view[docs] = self._epoch

    def terms_of(self, doc: int) -> tuple[I32, F32]:
        """Distinct terms and weights of one document."""
        start, end = self._start.view[doc], self._start.view[doc + 1]
        return self._pool.view[start:end], self._weights.view[start:end].astype(np.float32)

    def forget(self, doc: int) -> None:
        """Takes a document's terms out of the counts; its postings are skipped by the caller."""
        terms, _ = self.terms_of(doc)
        self._count(terms, -1)
        self.docs_of_kind -= np.bincount(self.kind.view.take(terms), minlength=KINDS) > 0


def _log_docs(docs_of_kind: I64) -> F32:
    return np.asarray(np.log(docs_of_kind + (1.0 + PRIOR_REPORTS)), dtype=np.float32)
