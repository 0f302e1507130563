"""The searchable memory of one project: every earlier report, and the features of a new one against them."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.triage.engine import features as f
from services.triage.engine.analyse import SHORT, TEXT, TRACE, Analysis, analyse
from services.triage.engine.corpus import (
    FRAME,
    FRAMES,
    NAMES,
    TEXTS,
    TITLES,
    TRACES,
    Corpus,
    Wanted,
)  # fmt: skip
from services.triage.engine.given import Given, Vector
from services.triage.engine.grow import F32, I32, I64, Grow, distinct
from services.triage.engine.nearest import Nearest
from services.triage.engine.text import Boilerplate, checksum
from services.triage.engine.types import Report
from services.triage.engine.vectors import ALIGN, Table, Weights, pool

BUDGET = 12_000
VECTOR_CHARS = 2_000
LATEST = 16
VECTORS_ASKED = 24
_PLAIN = (
    Wanted(TEXTS, 32, BUDGET, recent=8),
    Wanted(TITLES, 14, BUDGET // 2, recent=4),
    Wanted(NAMES, 10, BUDGET // 2),
)
_TRACED = (
    *_PLAIN,
    Wanted(TRACES, 20, BUDGET),
    Wanted(FRAMES, 10, BUDGET // 2),
)
Hubs = tuple[float, float]
_EMPTY = np.zeros(0, dtype=np.int64)


class Prepared(msgspec.Struct):
    """A report analysed against the present memory, not yet stored."""

    report: Report
    analysis: Analysis
    query: f.Query
    given: Vector
    distinct_tokens: I32


class Entry(msgspec.Struct):
    """What the index keeps of one report. aligned: ALIGN token ids, padded with -1; vectors float16;
    norms: squared length per kind of term, with the term frequencies of its arrival."""

    terms: I32
    weights: F32
    norms: F32
    lines: NDArray[np.uint32]
    tokens: NDArray[np.uint16]
    aligned: NDArray[np.int16]
    vector: NDArray[np.float16]
    title_vector: NDArray[np.float16]
    day: float
    words: int
    frames: int
    regime: int
    short: bool
    source: str
    top_frame: int
    signature: int
    hubs: Hubs
    given: NDArray[np.float16]


class _Counted:
    """Boilerplate line keys and token ids each report was counted with, to take them back on deletion."""

    def __init__(self) -> None:
        self._lines, self._tokens = Grow(np.uint32), Grow(np.uint16)
        self._ends = Grow(np.int64, 2)

    def append(self, lines: NDArray[np.uint32], tokens: NDArray[np.uint16]) -> None:
        """Keeps one report's counts."""
        self._lines.extend(lines)
        self._tokens.extend(tokens)
        self._ends.append((self._lines.size, self._tokens.size))

    def of(self, doc: int) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
        """(line keys, token ids) of a document."""
        first = self._ends.view[doc - 1] if doc else (0, 0)
        last = self._ends.view[doc]
        return self._lines.view[first[0] : last[0]], self._tokens.view[first[1] : last[1]]


def _top_frame(analysis: Analysis, terms: I32) -> int:
    """The term of the first frame, -1 without a trace."""
    if not analysis.frames:
        return -1
    return int(terms[(analysis.keys == (FRAME << 32 | checksum(analysis.frames[0]))).nonzero()[0][0]])


class Index:
    """Stores reports; finds and compares candidates. `table` None = words only."""

    def __init__(self, table: Table | None) -> None:
        self.table = table
        dims = table.embedding.shape[1] if table else 1
        self.corpus = Corpus()
        self.boilerplate = Boilerplate()
        self.token_weights = Weights(len(table.embedding) if table else 1)
        self.vectors = Nearest(dims)
        # A second graph would cost 75 MB and half a millisecond; titles also meet by their words.
        self.title_vectors = Nearest(dims, graph=False)
        self.given = Given()
        self._aligned = Grow(np.int16, ALIGN)
        self._days = Grow(np.float64)
        self._shape = Grow(np.int32, 6)
        self._hubs = Grow(np.float32, 2)
        self._lines = _Counted()
        self._sources: dict[str, int] = {}
        self._short: dict[str, tuple[int, int]] = {}
        self.alive = Grow(np.bool_)

    @property
    def size(self) -> int:
        """Reports stored, forgotten ones included."""
        return self.corpus.size

    def prepare(self, report: Report, embedding: Vector | None = None) -> Prepared:
        """Takes a report apart. New terms enter the vocabulary (with no document yet)."""
        analysis = analyse(report, self.boilerplate)
        terms, weights = self.corpus.terms(analysis.keys), analysis.weights
        distinct_tokens, vector, title_vector, aligned = self._meaning(analysis)
        query = f.Query(
            terms=terms, weights=weights, idf=self.corpus.idf(terms),
            vector=vector, title_vector=title_vector,
            tokens=aligned, token_weights=self.token_weights.of(aligned),
            day=analysis.day, words=len(analysis.words), frames=len(analysis.frames),
            regime=self._regime(report.source, analysis.shape),
            source=self._sources.get(report.source, -1),
            top_frame=_top_frame(analysis, terms),
        )  # fmt: skip
        return Prepared(report, analysis, query, self.given.usable(embedding), distinct_tokens)

    def _regime(self, source: str, shape: int) -> int:
        """One short line among full reports is a terse report, not one of a stream of messages: a report
        counts as SHORT only where at least half of what its source sent before was short."""
        short, seen = self._short.get(source, (0, 0))
        return TEXT if shape == SHORT and 2 * short < seen else shape

    def _meaning(self, analysis: Analysis) -> tuple[I32, F32, F32, I32]:
        if self.table is None:
            none, zero = np.zeros(0, dtype=np.int32), np.zeros(1, dtype=np.float32)
            return none, zero, zero, none
        both = self.table.ids(f"{analysis.title} {analysis.prose[:VECTOR_CHARS]}")
        head = self.table.ids(analysis.title)  # its words are known by now
        rest = both[len(head) :]
        distinct, first = np.unique(both, return_index=True)
        aligned = both[np.sort(first)[:ALIGN]]
        title = head if len(head) else rest[:ALIGN]
        return (
            distinct, pool(self.table, self.token_weights, both),
            pool(self.table, self.token_weights, title), aligned,
        )  # fmt: skip

    def candidates(self, prepared: Prepared) -> I64:
        """Document numbers worth a comparison: the union of several cheap retrievals, live ones only."""
        query, corpus = prepared.query, self.corpus
        if not self.size:
            return _EMPTY
        gain = query.weights * query.idf * query.idf
        traced = query.frames or query.regime == TRACE
        found = corpus.search(query.terms, gain, _TRACED if traced else _PLAIN)
        found.append(np.arange(max(0, self.size - LATEST), self.size, dtype=np.int64))
        if self.table is not None:
            found.append(self.vectors.search(query.vector, 40 if query.regime == SHORT else 24))
            found.append(self.title_vectors.search(query.title_vector, 12))
        found.append(self.given.search(prepared.given, VECTORS_ASKED))
        docs = distinct(np.concatenate(found))
        return np.asarray(docs[self.alive.view.take(docs)], dtype=np.int64)

    def compare(self, prepared: Prepared, docs: I64, context: f.Context | None = None) -> tuple[F32, f.Context]:
        """Features of a report against documents (rows as in `docs`, which must not be empty)."""
        sums = f.term_sums(self.corpus, prepared.query, docs)
        return f.matrix(sums, prepared.query, self._facts(docs, prepared.given), context)

    def align(self, prepared: Prepared, docs: I64, x: F32) -> None:
        """Fills the costly columns of feature rows (as in `docs`) in place."""
        if self.table is None or not len(docs):
            return
        tokens = self._aligned.view.take(docs, axis=0).astype(np.int32)
        weights = self.token_weights.of(np.where(tokens >= 0, tokens, 0))
        x[:, f.ALIGNED], x[:, f.ALIGNED + 1] = f.align(self.table.unit, weights, prepared.query, tokens)

    def same_trace(self, prepared: Prepared, docs: I64) -> NDArray[np.bool_]:
        """Which documents have the very trace of this report, frame by frame."""
        signature = prepared.analysis.signature
        return np.asarray((self._shape.view[docs, 5] == signature) & (signature > 0))

    def _facts(self, docs: I64, given: Vector) -> f.Facts:
        shape = self._shape.view.take(docs, axis=0)
        return f.Facts(
            vectors=self.vectors.rows.view.take(docs, axis=0),
            title_vectors=self.title_vectors.rows.view.take(docs, axis=0),
            days=self._days.view.take(docs), gaps=self.size - docs,
            words=shape[:, 0], frames=shape[:, 1], regimes=shape[:, 2].astype(np.int8),
            sources=shape[:, 3], top_frames=shape[:, 4], hubs=self._hubs.view.take(docs, axis=0),
            meaning=self.given.likeness(given, docs),
        )  # fmt: skip

    def told(self, prepared: Prepared, doc: int) -> float:
        """Which share of a report's terms a document has."""
        terms = prepared.query.terms
        return float(self.corpus.among(terms, self.corpus.terms_of(doc)[0]).mean()) if len(terms) else 0.0

    def hubs(self, doc: int) -> Hubs:
        """How much a document resembled everything when it came: by words, by vector."""
        word, vector = self._hubs.view[doc].tolist()
        return word, vector

    def entry(self, prepared: Prepared, context: f.Context | None, hubs: Hubs | None = None) -> Entry:
        """What is to be kept of a prepared report; `hubs` overrules the context's."""
        query = prepared.query
        if hubs is None:
            hubs = (context.hub_word, context.hub_vector) if context else (0.0, 0.0)
        padded = np.full(ALIGN, -1, dtype=np.int16)
        padded[: len(query.tokens)] = query.tokens
        return Entry(
            terms=query.terms, weights=query.weights, norms=self.corpus.norms(query.terms, query.weights, query.idf),
            lines=distinct(np.array(prepared.analysis.lines, dtype=np.uint32)),
            tokens=prepared.distinct_tokens.astype(np.uint16), aligned=padded,
            vector=query.vector.astype(np.float16), title_vector=query.title_vector.astype(np.float16),
            day=query.day, words=query.words, frames=query.frames, regime=query.regime,
            short=prepared.analysis.shape == SHORT,
            source=prepared.report.source, top_frame=query.top_frame,
            signature=prepared.analysis.signature,
            hubs=hubs, given=prepared.given.astype(np.float16),
        )  # fmt: skip

    def add(self, entry: Entry) -> int:
        """Stores an entry; returns its document number."""
        doc = self.corpus.add(entry.terms, entry.weights, entry.norms)
        self.boilerplate.learn(entry.lines)
        self.token_weights.learn(entry.tokens)
        self.vectors.add(entry.vector)
        self.title_vectors.add(entry.title_vector)
        self.given.add(entry.given)
        short, seen = self._short.get(entry.source, (0, 0))
        self._short[entry.source] = (short + entry.short, seen + 1)
        source = self._sources.setdefault(entry.source, len(self._sources))
        self._aligned.append(entry.aligned)
        self._days.append(entry.day)
        self._shape.append((entry.words, entry.frames, entry.regime, source, entry.top_frame, entry.signature))
        self._hubs.append(entry.hubs)
        self._lines.append(entry.lines, entry.tokens)
        self.alive.append(True)
        return doc

    def forget(self, doc: int) -> None:
        """A forgotten report is never found again and no longer counts."""
        self.corpus.forget(doc)
        lines, tokens = self._lines.of(doc)
        self.boilerplate.unlearn(lines)
        self.token_weights.unlearn(tokens)
        self.alive.view[doc] = False
