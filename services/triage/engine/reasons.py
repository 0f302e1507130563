"""Reasons in words: what two reports share, strongest first."""

import numpy as np

from services.triage.engine.corpus import ERROR, FRAME, IDENT, WORD, Corpus
from services.triage.engine.features import F32, I32, NAMES
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
MEANING = 0.6


def explain(corpus: Corpus, terms: I32, other: int, row: F32, spelling: dict[str, str]) -> tuple[Reason, ...]:
    """Reasons for one pair. `terms`: of the arriving report; `other`: document number of the earlier one;
    `row`: its features; `spelling`: stem -> the word as it was written."""
    theirs, _ = corpus.terms_of(other)
    shared = np.intersect1d(terms, theirs)
    idf = corpus.idf(shared) if len(shared) else np.zeros(0, dtype=np.float32)
    kinds = corpus.kind.view[shared]
    reasons: list[Reason] = []
    if row[AT["title_cos"]] > 0.5:
        share = float(row[AT["title_cos"]])
        reasons.append(Reason("title", f"titles agree by {share:.0%}", round(share, 3)))
    for kind, (name, lead, most) in _SHOWN.items():
        mine = np.flatnonzero((kinds == kind) & (idf > _RARE[kind]))
        best = mine[np.lexsort((shared[mine], -idf[mine]))][:most]
        if len(best):
            words = [corpus.text(int(term)) for term in shared[best]]
            shown = ", ".join(spelling.get(word, word) for word in words)
            weight = float(np.clip(row[AT[_STRENGTH[kind]]], 0.0, 1.0))
            reasons.append(Reason(name, lead + shown, round(weight, 3)))
    if row[AT["vector"]] > MEANING:
        likeness = float(row[AT["vector"]])
        reasons.append(Reason("meaning", f"similar in meaning ({likeness:.0%})", round(likeness, 3)))
    gap = float(row[AT["days"]])
    if 0 <= gap <= np.log1p(3.0):
        reasons.append(Reason("time", f"within {_span(float(np.expm1(gap)))}", round(0.3 - gap / 10, 3)))
    return tuple(sorted(reasons, key=lambda reason: -reason.weight))


def _span(days: float) -> str:
    if days < 1 / 24:
        return "an hour"
    if days < 1:
        return f"{max(1, round(days * 24))} hours"
    return f"{max(1, round(days))} days" if days >= 1.5 else "a day"
