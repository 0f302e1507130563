"""Reasons in words: what two reports share, strongest first."""

import numpy as np

from services.triage.engine.analyse import Analysis
from services.triage.engine.corpus import ERROR, FRAME, IDENT, KINDS, WORD, Corpus
from services.triage.engine.features import NAMES
from services.triage.engine.grow import F32, I32, I64
from services.triage.engine.text import checksum, token_keys, tokens
from services.triage.engine.types import Reason

AT = {name: place for place, name in enumerate(NAMES)}
_SHOWN = {
    FRAME: ("frames", "same stack frames: ", 4),
    ERROR: ("exception", "same error: ", 2),
    IDENT: ("identifiers", "same names or codes: ", 4),
    WORD: ("terms", "same rare words: ", 6),
}
_STRENGTH = {FRAME: "frame_cover_q", ERROR: "error_cover_q", IDENT: "ident_cover_q", WORD: "word_cos"}
_RARE = {FRAME: 0.3, ERROR: 0.0, IDENT: 0.3, WORD: 1.0}
_RARE_OF = np.full(KINDS, np.inf, dtype=np.float32)
_RARE_OF[list(_RARE)] = list(_RARE.values())
MEANING = 0.6


def explain(corpus: Corpus, terms: I32, analysis: Analysis, docs: I64, x: F32) -> list[tuple[Reason, ...]]:
    """Why an arriving report resembles earlier ones. `terms`: its distinct terms; `docs`: document numbers;
    `x`: the features of each pair."""
    kinds, idf = corpus.kind.view[terms], corpus.idf(terms)
    shown = np.flatnonzero(idf > _RARE_OF[kinds])
    # Rarest first; the number of a term orders equals.
    ranked = terms[shown[np.lexsort((terms[shown], -idf[shown]))]]
    rows, place, _ = corpus.shared(ranked, docs, True)
    chosen = [_choose(corpus, ranked[np.sort(place[rows == row])]) for row in range(len(docs))]
    wanted = {key for kind in chosen for keys in kind.values() for key in keys}
    texts = _texts(analysis, wanted)
    return [_reasons(found, texts, row) for found, row in zip(chosen, x, strict=True)]


def _choose(corpus: Corpus, terms: I32) -> dict[int, list[int]]:
    """The vocabulary keys to show, by kind."""
    kinds = corpus.kind.view[terms]
    keys = corpus.vocabulary.keys.view[terms]
    return {kind: keys[kinds == kind][:most].tolist() for kind, (_, _, most) in _SHOWN.items()}


def _reasons(chosen: dict[int, list[int]], texts: dict[int, str], row: F32) -> tuple[Reason, ...]:
    reasons: list[Reason] = []
    if row[AT["title_cos"]] > 0.5:
        share = float(row[AT["title_cos"]])
        reasons.append(Reason("title", f"titles agree by {share:.0%}", round(share, 3)))
    for kind, (name, lead, _) in _SHOWN.items():
        if chosen[kind]:
            weight = min(max(float(row[AT[_STRENGTH[kind]]]), 0.0), 1.0)
            words = dict.fromkeys(texts[key] for key in chosen[kind] if key in texts)
            if words:
                reasons.append(Reason(name, lead + ", ".join(words), round(weight, 3)))
    if row[AT["vector"]] > MEANING:
        likeness = float(row[AT["vector"]])
        reasons.append(Reason("meaning", f"similar in meaning ({likeness:.0%})", round(likeness, 3)))
    gap = float(row[AT["days"]])
    if 0 <= gap <= np.log1p(3.0):
        reasons.append(Reason("time", f"within {_span(float(np.expm1(gap)))}", round(0.3 - gap / 10, 3)))
    return tuple(sorted(reasons, key=lambda reason: -reason.weight))


def _texts(analysis: Analysis, wanted: set[int]) -> dict[int, str]:
    """Words, names, errors and frames as the report wrote them, by vocabulary key. A stem is shown by the first
    word that is nothing else, or else by the name that it is a part of."""
    found: dict[int, str] = {}
    parts: dict[int, str] = {}
    for kind, names in ((ERROR, analysis.errors), (FRAME, analysis.frames)):
        for name in names:
            found.setdefault(kind << 32 | checksum(name), name)
    for raw in (*tokens(analysis.title), *analysis.words, *tokens(analysis.message)):
        stems, ident = token_keys(raw)
        for stem in stems:
            if (WORD << 32 | stem) in wanted:
                (found if len(stems) == 1 else parts).setdefault(WORD << 32 | stem, raw)
        if ident and (IDENT << 32 | ident) in wanted:
            found.setdefault(IDENT << 32 | ident, raw)
    return parts | found


def _span(days: float) -> str:
    if days < 1 / 24:
        return "an hour"
    if days < 1:
        return f"{max(1, round(days * 24))} hours"
    return f"{max(1, round(days))} days" if days >= 1.5 else "a day"
