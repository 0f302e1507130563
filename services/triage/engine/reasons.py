"""Reasons in words: what two reports share, strongest first."""

import math

import numpy as np

from services.triage.engine.analyse import Analysis
from services.triage.engine.corpus import ERROR, FRAME, IDENT, KINDS, WORD, Corpus
from services.triage.engine.features import NAMES
from services.triage.engine.grow import F32, I32, I64
from services.triage.engine.text import checksum, keys_of, tokens
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
_MOST = {kind: most for kind, (_, _, most) in _SHOWN.items()}
_RARE_OF = np.full(KINDS, np.inf, dtype=np.float32)
_RARE_OF[list(_RARE)] = list(_RARE.values())
MEANING = 0.6
_CHECKSUM = 0xFFFFFFFF


def explain(corpus: Corpus, terms: I32, analysis: Analysis, docs: I64, x: F32) -> list[tuple[Reason, ...]]:
    """Why an arriving report resembles earlier ones. `terms`: its distinct terms; `docs`: document numbers;
    `x`: the features of each pair."""
    idf = corpus.idf(terms)
    shown = (idf > _RARE_OF.take(corpus.kind.view.take(terms))).nonzero()[0]
    # Rarest first; the number of a term orders equals.
    ranked = terms.take(shown.take(np.lexsort((terms.take(shown), -idf.take(shown)))))
    rows, place, _ = corpus.shared(ranked, docs, True)
    keys = corpus.vocabulary.keys.view.take(ranked).tolist()
    found: list[list[int]] = [[] for _ in range(len(docs))]
    for row, at in zip(rows.tolist(), place.tolist(), strict=True):
        found[row].append(at)
    chosen = [_choose([keys[at] for at in sorted(places)]) for places in found]
    wanted = {key for kind in chosen for those in kind.values() for key in those}
    texts = _texts(analysis, wanted)
    return [_reasons(kinds, texts, row.tolist()) for kinds, row in zip(chosen, x, strict=True)]


def _choose(keys: list[int]) -> dict[int, list[int]]:
    """The vocabulary keys to show, by kind."""
    chosen: dict[int, list[int]] = {kind: [] for kind in _SHOWN}
    for key in keys:
        those = chosen[key >> 32]
        if len(those) < _MOST[key >> 32]:
            those.append(key)
    return chosen


def _reasons(chosen: dict[int, list[int]], texts: dict[int, str], row: list[float]) -> tuple[Reason, ...]:
    reasons: list[Reason] = []
    if row[AT["title_cos"]] > 0.5:
        share = row[AT["title_cos"]]
        reasons.append(Reason("title", f"titles agree by {share:.0%}", round(share, 3)))
    for kind, (name, lead, _) in _SHOWN.items():
        if chosen[kind]:
            weight = min(max(row[AT[_STRENGTH[kind]]], 0.0), 1.0)
            words = dict.fromkeys(texts[key] for key in chosen[kind] if key in texts)
            if words:
                reasons.append(Reason(name, lead + ", ".join(words), round(weight, 3)))
    if row[AT["vector"]] > MEANING:
        likeness = row[AT["vector"]]
        reasons.append(Reason("meaning", f"similar in meaning ({likeness:.0%})", round(likeness, 3)))
    gap = row[AT["days"]]
    if 0 <= gap <= math.log1p(3.0):
        reasons.append(Reason("time", f"within {_span(math.expm1(gap))}", round(0.3 - gap / 10, 3)))
    return tuple(sorted(reasons, key=lambda reason: -reason.weight))


def _texts(analysis: Analysis, wanted: set[int]) -> dict[int, str]:
    """Words, names, errors and frames as the report wrote them, by vocabulary key. A stem is shown by the first
    word that is nothing else, or else by the name that it is a part of."""
    found: dict[int, str] = {}
    parts: dict[int, str] = {}
    for kind, names in ((ERROR, analysis.errors), (FRAME, analysis.frames)):
        for name in names:
            found.setdefault(kind << 32 | checksum(name), name)
    raws = [*tokens(analysis.title), *analysis.words, *tokens(analysis.message)]
    names_wanted = {key & _CHECKSUM for key in wanted if key >> 32 == IDENT}
    for raw, (stems, ident) in zip(raws, keys_of(raws), strict=True):
        if wanted.isdisjoint(stems) and ident not in names_wanted:  # the key of a word is its checksum: WORD is 0
            continue
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
