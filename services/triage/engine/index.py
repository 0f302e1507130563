"""The searchable memory of one project: every earlier report, and the features of a new one against them."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.triage.engine import features as f
from services.triage.engine.analyse import SHORT, TEXT, TRACE, Analysis, analyse
from services.triage.engine.corpus import (
    ERROR,
    F32,
    FRAME,
    FRAME_PAIR,
    I32,
    I64,
    IDENT,
    PAIR,
    TITLE,
    TRACE_WORD,
    WORD,
    Corpus,
    Grow,
    Wanted,
)  # fmt: skip
from services.triage.engine.nearest import Nearest
from services.triage.engine.text import Boilerplate
from services.triage.engine.types import Report
from services.triage.engine.vectors import ALIGN, Table, Weights, pool

BUDGET = 12_000
VECTOR_CHARS = 2_000
LATEST = 16
_PLAIN = (
    Wanted((WORD, IDENT, PAIR, ERROR), 32, BUDGET, recent=8),
    Wanted((TITLE,), 14, BUDGET // 2, recent=4),
    Wanted((IDENT, PAIR), 10, BUDGET // 2),
)
_TRACED = (
    *_PLAIN,
    Wanted((FRAME, FRAME_PAIR, TRACE_WORD, ERROR), 20, BUDGET),
    Wanted((FRAME, FRAME_PAIR), 10, BUDGET // 2),
)
_EMPTY = np.zeros(0, dtype=np.int64)


class Prepared(msgspec.Struct):
    """A report analysed against the present memory, not yet stored."""

    report: Report
    analysis: Analysis
    query: f.Query
    all_tokens: I32


class Entry(msgspec.Struct):
    """What the index keeps of one report. aligned: ALIGN token ids, padded with -1; vectors float16;
    norms: squared length per kind of term, with the term frequencies of its arrival."""

    terms: I32
    weights: F32
    norms: F32
    lines: list[int]
    tokens: I32
    aligned: I32
    vector: NDArray[np.float16]
    title_vector: NDArray[np.float16]
    day: float
    words: int
    frames: int
    regime: int
    short: bool
    source: str
    top_frame: int
    hubs: tuple[float, float]


class _Counted:
    """Boilerplate line keys and token ids each report was counted with, to take them back on deletion."""

    def __init__(self) -> None:
        self._values = (Grow(np.uint32), Grow(np.uint16))
        self._ends = (Grow(np.int64), Grow(np.int64))

    def append(self, lines: NDArray[np.uint32], tokens: I32) -> None:
        """Keeps one report's counts."""
        for values, ends, new in zip(self._values, self._ends, (lines, tokens), strict=True):
            values.extend(new)
            ends.extend([values.size])

    def of(self, doc: int) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
        """(line keys, token ids) of a document."""
        found = []
        for values, ends in zip(self._values, self._ends, strict=True):
            start = int(ends.view[doc - 1]) if doc else 0
            found.append(values.view[start : int(ends.view[doc])].copy())
        return found[0], found[1]


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
        self._aligned = Grow(np.int16, ALIGN)
        self._days = Grow(np.float64)
        self._shape = Grow(np.int32, 5)
        self._hubs = Grow(np.float32, 2)
        self._lines = _Counted()
        self._sources: dict[str, int] = {}
        self._short: dict[str, tuple[int, int]] = {}
        self._scratch = np.zeros(1_024, dtype=np.float32)
        self.alive = Grow(np.bool_)

    @property
    def size(self) -> int:
        """Reports stored, forgotten ones included."""
        return self.corpus.size

    def prepare(self, report: Report) -> Prepared:
        """Takes a report apart. New terms enter the vocabulary (with no document yet)."""
        analysis = analyse(report, self.boilerplate)
        pairs = analysis.terms
        terms = np.fromiter((self.corpus.term(k, t) for k, t in pairs), dtype=np.int32, count=len(pairs))
        weights = np.fromiter(pairs.values(), dtype=np.float32, count=len(pairs))
        frames = [t for k, t in pairs if k == FRAME][:1]
        all_tokens, vector, title_vector, aligned = self._meaning(analysis)
        query = f.Query(
            terms=terms, weights=weights, idf=self.corpus.idf(terms),
            vector=vector, title_vector=title_vector,
            tokens=aligned, token_weights=self.token_weights.of(aligned),
            day=analysis.day, words=analysis.words, frames=analysis.frames,
            regime=self._regime(report.source, analysis.shape),
            source=self._sources.get(report.source, -1),
            top_frame=self.corpus.term(FRAME, frames[0]) if frames else -1,
        )  # fmt: skip
        return Prepared(report, analysis, query, all_tokens)

    def _regime(self, source: str, shape: int) -> int:
        """One short line among full reports is a terse report, not one of a stream of messages: a report
        counts as SHORT only where at least half of what its source sent before was short."""
        short, seen = self._short.get(source, (0, 0))
        return TEXT if shape == SHORT and 2 * short < seen else shape

    def _meaning(self, analysis: Analysis) -> tuple[I32, F32, F32, I32]:
        if self.table is None:
            none, zero = np.zeros(0, dtype=np.int32), np.zeros(1, dtype=np.float32)
            return none, zero, zero, none
        head = self.table.ids(analysis.title)
        rest = self.table.ids(" ".join(analysis.prose[:VECTOR_CHARS].split()))
        both = np.concatenate([head, rest])
        _, first = np.unique(both, return_index=True)
        aligned = both[np.sort(first)[:ALIGN]]
        title = head if len(head) else rest[:ALIGN]
        return (
            both, pool(self.table, self.token_weights, both),
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
        docs = np.unique(np.concatenate(found))
        return np.asarray(docs[self.alive.view[docs]], dtype=np.int64)

    def compare(self, prepared: Prepared, docs: I64, context: f.Context | None = None) -> tuple[F32, f.Context]:
        """Features of a report against documents (rows as in `docs`, which must not be empty)."""
        if len(self._scratch) < len(self.corpus.vocabulary):
            self._scratch = np.zeros(2 * len(self.corpus.vocabulary), dtype=np.float32)
        query = prepared.query
        sums = f.term_sums(self.corpus, query, docs, self._scratch)
        facts = self._facts(docs)
        if self.table is None:
            blank = np.full(len(docs), f.MISSING, dtype=np.float32)
            aligned = (blank, blank)
        else:
            weights = self.token_weights.of(np.where(facts.tokens >= 0, facts.tokens, 0))
            aligned = f.align(self.table.unit, weights, query, facts)
        return f.matrix(sums, query, facts, aligned, context)

    def _facts(self, docs: I64) -> f.Facts:
        shape = self._shape.view[docs]
        return f.Facts(
            vectors=self.vectors.rows.view[docs], title_vectors=self.title_vectors.rows.view[docs],
            tokens=self._aligned.view[docs].astype(np.int32), days=self._days.view[docs], gaps=self.size - docs,
            words=shape[:, 0], frames=shape[:, 1], regimes=shape[:, 2].astype(np.int8),
            sources=shape[:, 3], top_frames=shape[:, 4], hubs=self._hubs.view[docs],
        )  # fmt: skip

    def entry(self, prepared: Prepared, context: f.Context | None) -> Entry:
        """What is to be kept of a prepared report."""
        query = prepared.query
        padded = np.full(ALIGN, -1, dtype=np.int32)
        padded[: len(query.tokens)] = query.tokens
        return Entry(
            terms=query.terms, weights=query.weights, norms=self.corpus.norms(query.terms, query.weights, query.idf),
            lines=sorted(set(prepared.analysis.lines)), tokens=np.unique(prepared.all_tokens), aligned=padded,
            vector=query.vector.astype(np.float16), title_vector=query.title_vector.astype(np.float16),
            day=query.day, words=query.words, frames=query.frames, regime=query.regime,
            short=prepared.analysis.shape == SHORT,
            source=prepared.report.source, top_frame=query.top_frame,
            hubs=(context.hub_word, context.hub_vector) if context else (0.0, 0.0),
        )  # fmt: skip

    def add(self, entry: Entry) -> int:
        """Stores an entry; returns its document number."""
        doc = self.corpus.add(entry.terms, entry.weights, entry.norms)
        self.boilerplate.learn(entry.lines)
        self.token_weights.learn(entry.tokens)
        self.vectors.add(entry.vector)
        self.title_vectors.add(entry.title_vector)
        short, seen = self._short.get(entry.source, (0, 0))
        self._short[entry.source] = (short + entry.short, seen + 1)
        source = self._sources.setdefault(entry.source, len(self._sources))
        self._aligned.extend([entry.aligned])
        self._days.extend([entry.day])
        self._shape.extend([(entry.words, entry.frames, entry.regime, source, entry.top_frame)])
        self._hubs.extend([entry.hubs])
        self._lines.append(np.array(entry.lines, dtype=np.uint32), entry.tokens)
        self.alive.extend([True])
        return doc

    def forget(self, doc: int) -> None:
        """A forgotten report is never found again and no longer counts."""
        self.corpus.forget(doc)
        lines, tokens = self._lines.of(doc)
        self.boilerplate.unlearn(lines.tolist())
        self.token_weights.unlearn(tokens)
        self.alive.view[doc] = False
