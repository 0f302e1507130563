"""Pair features: an arriving report against its candidates, all at once in numpy.

Everything is computed from earlier reports only. `NAMES` gives the columns in order; a column whose
ingredient is missing on either side holds MISSING.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.triage.engine.corpus import FRAME, KINDS, TITLE, TRACE_WORD, WORD, Corpus
from services.triage.engine.grow import F32, F64, I32, I64

MISSING = -1.0
_KIND_NAMES = ("word", "title", "ident", "frame", "trace", "error", "fpair", "pair")
PER_KIND = ("cos", "cover_q", "cover_c", "sum", "rarest")
NAMES = (
    *(f"{kind}_{column}" for kind in _KIND_NAMES for column in PER_KIND),
    "title_in_c", "title_c_in_q", "top_frame",
    "vector", "vector_title", "align_q", "align_c",
    "days", "hours", "gap", "dated",
    "hub_q_word", "hub_q_vector", "hub_c_word", "hub_c_vector",
    "base", "base_rank", "base_margin", "base_z",
    "words_q", "words_c", "words_ratio", "frames_q", "frames_c", "traced", "regime_c",
    "same_source",
    "meaning", "meaning_rank", "meaning_margin", "meaning_hub",
)  # fmt: skip
COUNT = len(NAMES)
MEANING = NAMES.index("meaning")
ALIGNED = NAMES.index("align_q")


class Query(msgspec.Struct):
    """One report ready for comparison. terms are distinct; weights: tf part; idf: at this moment."""

    terms: I32
    weights: F32
    idf: F32
    vector: F32
    title_vector: F32
    tokens: I32
    token_weights: F32
    day: float
    words: int
    frames: int
    regime: int
    source: int
    top_frame: int


class Facts(msgspec.Struct):
    """The same of the candidates, one row each."""

    vectors: F32
    title_vectors: F32
    days: NDArray[np.float64]
    gaps: I64
    words: NDArray[np.int32]
    frames: NDArray[np.int32]
    regimes: NDArray[np.int8]
    sources: NDArray[np.int32]
    top_frames: NDArray[np.int32]
    hubs: F32
    meaning: F32 | None


class Context(msgspec.Struct):
    """What the first pass over an arrival's candidates fixed, so that later passes rank against it."""

    base: F32
    hub_word: float
    hub_vector: float
    meaning: F32


class TermSums(msgspec.Struct):
    """Per candidate and kind (rows, KINDS) sums over shared terms, and the query's own."""

    cos: F32
    cover_q: F32
    cover_c: F32
    total: F32
    rarest: F32
    title_in_c: F32
    title_c_in_q: F32


def term_sums(corpus: Corpus, query: Query, docs: I64) -> TermSums:
    """Shared-term sums of a query with documents."""
    rows, place, weight = corpus.shared(query.terms, docs, query.frames > 0)
    kinds = corpus.kind.view.take(query.terms).astype(np.int64)
    own = query.weights * query.idf
    idf = query.idf.take(place)
    cell = rows * KINDS + kinds.take(place)
    cells = len(docs) * KINDS
    dot = np.bincount(cell, weight * idf * own.take(place), cells).reshape(-1, KINDS)
    both_idf = np.bincount(cell, idf, cells).reshape(-1, KINDS)
    rarest = np.zeros(cells, dtype=np.float32)
    np.maximum.at(rarest, cell, idf)
    norm, all_idf = corpus.measures(docs)
    qnorm = np.bincount(kinds, own * own, KINDS)
    qidf = np.bincount(kinds, query.idf, KINDS)
    gone = (norm <= 0) | (qnorm <= 0)

    def keep(value: F64 | F32) -> F32:
        value = value.astype(np.float32)
        value[gone] = MISSING
        return value

    tiny = 1e-9
    title_in_c, title_c_in_q = _titles(corpus, query, docs, all_idf[:, TITLE], (rows, place))
    return TermSums(
        cos=keep(dot / np.sqrt(norm * qnorm + tiny)), cover_q=keep(both_idf / (qidf + tiny)),
        cover_c=keep(both_idf / (all_idf + tiny)), total=keep(np.log1p(both_idf)),
        rarest=keep(rarest.reshape(-1, KINDS)),
        title_in_c=np.where(qnorm[TITLE] > 0, title_in_c, MISSING).astype(np.float32),
        title_c_in_q=np.where(norm[:, TITLE] > 0, title_c_in_q, MISSING).astype(np.float32),
    )  # fmt: skip


def _titles(corpus: Corpus, query: Query, docs: I64, title_idf: F32, shared: tuple[I64, I64]) -> tuple[F64, F64]:
    """How much of the query's title is in each document's words, and of each document's title in the query's."""
    kinds = corpus.kind.view.take(query.terms)
    words = (kinds == WORD).nonzero()[0]
    titled = np.zeros(len(query.terms), dtype=np.float32)
    mine = words[corpus.among(query.terms.take(words), corpus.twin.view.take(query.terms[kinds == TITLE]))]
    titled[mine] = query.idf.take(mine)
    rows, place = shared
    forward = np.bincount(rows, titled.take(place), len(docs)) / max(float(titled.sum()), 1e-6)
    back, titles = corpus.shared_titles(query.terms.take(words), docs)
    return forward, np.bincount(back, corpus.idf(titles), len(docs)) / (title_idf + 1e-9)


def align(unit: F32, token_weights: F32, query: Query, tokens: I32) -> tuple[F32, F32]:
    """Static late interaction (after ColBERT): each token's best counterpart on the other side, weighted
    by rarity, in both directions. `unit`: unit vectors per token id; `tokens`: (rows, ALIGN) ids of the
    documents, padded with -1; `token_weights`: their weights."""
    rows = len(tokens)
    if not len(query.tokens):
        blank = np.full(rows, MISSING, dtype=np.float32)
        return blank, blank
    present = tokens >= 0
    # (query token, document token, document): the largest over either of the first two is taken row by row.
    theirs = unit.take(np.maximum(tokens, 0).T.ravel(), axis=0)
    likeness = (unit.take(query.tokens, axis=0) @ theirs.T).reshape(len(query.tokens), -1, rows)
    likeness[:, ~present.T] = -1.0
    best_q = likeness.max(axis=1).T
    best_c = likeness.max(axis=0).T
    share_q = query.token_weights / max(float(query.token_weights.sum()), 1e-6)
    weight_c = np.where(present, token_weights, np.float32(0))
    toward_c = (best_c * weight_c).sum(axis=1) / np.maximum(weight_c.sum(axis=1), 1e-6)
    empty = ~present.any(axis=1)
    forward = np.where(empty, MISSING, best_q @ share_q)
    return forward.astype(np.float32), np.where(empty, MISSING, toward_c).astype(np.float32)


def matrix(sums: TermSums, query: Query, facts: Facts, context: Context | None) -> tuple[F32, Context]:
    """The feature matrix (rows, COUNT) and the context to hand to later passes of the same arrival.
    The columns of `align` are MISSING: they are filled for the candidates worth it."""
    rows = len(facts.days)
    vector = facts.vectors.astype(np.float32) @ query.vector
    title_vector = facts.title_vectors.astype(np.float32) @ query.title_vector
    base = _base(sums, vector, query.regime)
    if context is None:
        context = Context(
            np.sort(base)[::-1], _top_mean(sums.cos[:, WORD]), _top_mean(vector), _ranking(facts.meaning)
        )  # fmt: skip
    out = np.empty((rows, COUNT), dtype=np.float32)
    blocks = (sums.cos, sums.cover_q, sums.cover_c, sums.total, sums.rarest)
    for number, block in enumerate(blocks):
        out[:, number : len(PER_KIND) * KINDS : len(PER_KIND)] = block
    days = np.abs(facts.days - query.day)
    dated = np.isfinite(days)
    rest = (
        sums.title_in_c, sums.title_c_in_q, _same_top(query, facts, sums),
        vector, title_vector, MISSING, MISSING,
        *_time(days, facts.gaps, dated), dated,
        context.hub_word, context.hub_vector, facts.hubs[:, 0], facts.hubs[:, 1],
        *_place(base, context.base),
        np.log1p(query.words), np.log1p(facts.words),
        np.abs(np.log1p(query.words) - np.log1p(facts.words)),
        np.log1p(query.frames), np.log1p(facts.frames),
        (facts.frames > 0).astype(np.float32) + (query.frames > 0), facts.regimes,
        facts.sources == query.source,
    )  # fmt: skip
    for number, column in enumerate(rest, start=len(PER_KIND) * KINDS):
        out[:, number] = column
    _meaning(out, facts.meaning, context.meaning)
    return out, context


def _ranking(meaning: F32 | None) -> F32:
    """Likenesses of the candidates that have one, highest first."""
    if meaning is None:
        return np.zeros(0, dtype=np.float32)
    return np.asarray(np.sort(meaning[meaning != MISSING])[::-1])


def _meaning(out: F32, meaning: F32 | None, ranking: F32) -> None:
    """Fills the columns of the given vectors: likeness, rank, distance to the best, mean of the best eight."""
    out[:, MEANING:] = MISSING
    if meaning is None or not len(ranking):
        return
    known = np.flatnonzero(meaning != MISSING)
    value = meaning[known]
    out[known, MEANING] = value
    out[known, MEANING + 1] = np.log1p(np.searchsorted(-ranking, -value, side="left"))
    out[known, MEANING + 2] = np.maximum(ranking[0] - value, 0.0)
    out[known, MEANING + 3] = _top_mean(ranking)


def _base(sums: TermSums, vector: F32, regime: int) -> F32:
    words = np.maximum(sums.cos[:, WORD], 0.0)
    frames = np.maximum(sums.cos[:, TRACE_WORD], 0.0)
    if regime == 1:
        return np.asarray(0.5 * frames + 0.3 * np.maximum(sums.cos[:, FRAME], 0.0) + 0.2 * words)
    return np.asarray(0.5 * words + 0.5 * vector, dtype=np.float32)


def _top_mean(values: F32, top: int = 8) -> float:
    if not len(values):
        return 0.0
    return float(np.sort(values)[::-1][:top].mean())


def _place(base: F32, ranking: F32) -> tuple[F32, F32, F32, F32]:
    above = np.searchsorted(-ranking, -base, side="left").astype(np.float32)
    best = ranking[0]
    second = ranking[1] if len(ranking) > 1 else np.float32(0)
    margin = np.where(base >= best, base - second, base - best)
    spread = float(ranking.std()) + 1e-3
    return base, np.log1p(above), margin.astype(np.float32), (base - float(ranking.mean())) / np.float32(spread)


def _time(days: NDArray[np.float64], gaps: I64, dated: NDArray[np.bool_]) -> tuple[F32, F32, F32]:
    """Days and hours between, and arrivals between. The order of undated reports says nothing."""
    known = np.where(dated, days, 0.0)
    columns = (np.log1p(known), np.log1p(24.0 * known), np.log1p(gaps))
    one, two, three = (np.where(dated, column, MISSING).astype(np.float32) for column in columns)
    return one, two, three


def _same_top(query: Query, facts: Facts, sums: TermSums) -> F32:
    known = (facts.top_frames >= 0) & (query.top_frame >= 0)
    return np.where(known, facts.top_frames == query.top_frame, MISSING).astype(np.float32)
