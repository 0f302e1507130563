"""From a report to its terms, vectors and shape: everything that depends on this one report only."""

import zlib
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import numpy as np

from services.triage.engine import corpus as c
from services.triage.engine.text import Boilerplate, plain, token_parts, tokens
from services.triage.engine.trace import errors_in, parse, split_body
from services.triage.engine.types import Report

TEXT, TRACE, SHORT = 0, 1, 2
PAIRED_WORDS = 60
SHORT_WORDS = 60
PAIR_BUCKETS = (1 << 19) - 1


class Analysis(msgspec.Struct, frozen=True):
    """terms: {(kind, text): weight}. lines: keys for the boilerplate filter. shape: TEXT, TRACE or SHORT.
    prose/title: cleaned texts for the vectors. day: days since 1970 or nan. words: number of prose words."""

    terms: dict[tuple[int, str], float]
    lines: list[int]
    shape: int
    title: str
    prose: str
    day: float
    words: int
    frames: int


def day_of(moment: datetime | None) -> float:
    """Days since 1970, nan when unknown; a naive time counts as UTC."""
    if moment is None:
        return float("nan")
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.timestamp() / 86_400.0


def analyse(report: Report, boilerplate: Boilerplate) -> Analysis:
    """Cleans and takes a report apart. Reads the boilerplate learned so far, changes nothing."""
    title = " ".join(plain(report.title[:400]).split())
    body, inner = split_body(plain(report.body))
    given = plain(report.stacktrace)
    prose, lines = boilerplate.filter(body)
    trace = parse(given + "\n" + inner if inner else given)
    body_words = tokens(prose)
    shape = _shape(title, prose, len(body_words), bool(trace.frames) or bool(given.strip()))
    message = trace.message[:2_000]
    terms: dict[tuple[int, str], float] = {}
    _prose_terms(terms, title, body_words, message if shape == TRACE else message[:400])
    _trace_terms(terms, trace.frames, (*trace.errors, *errors_in(title), *errors_in(prose)), message)
    return Analysis(
        terms=terms, lines=lines, shape=shape, title=title, prose=prose,
        day=day_of(report.created_at), words=len(body_words), frames=len(trace.frames),
    )  # fmt: skip


def _shape(title: str, prose: str, words: int, traced: bool) -> int:
    if traced:
        return TRACE if words < 5 else TEXT
    body = " ".join(prose.split())
    one_line = "\n" not in prose.strip() and words <= SHORT_WORDS
    untitled = bool(body) and (not title or body.startswith(title.rstrip(" .…")))
    return SHORT if one_line and untitled else TEXT


def _prose_terms(terms: dict[tuple[int, str], float], title: str, body: list[str], message: str) -> None:
    head = tokens(title)
    counts: Counter[str] = Counter()
    sequence: list[str] = []
    for place, raw in enumerate([*head, *body, *tokens(message)]):
        stems, ident = token_parts(raw)
        counts.update(stems)
        if place < len(head):
            for stem in stems:
                terms[c.TITLE, stem] = 1.0
        if place < len(head) + PAIRED_WORDS:
            sequence.extend(stems)
        if ident:
            terms[c.IDENT, ident] = 1.0
    for stem, count in counts.items():
        terms[c.WORD, stem] = 1.0 + float(np.log(count)) if count > 1 else 1.0
    for first, second in pairwise(sequence):
        terms[c.PAIR, _bucket(first, second)] = 1.0


def _bucket(first: str, second: str) -> str:
    """Pairs are hashed into a fixed number of terms, or they would outgrow the vocabulary proper."""
    return f"{zlib.crc32(f'{first} {second}'.encode('utf-8', 'replace')) & PAIR_BUCKETS:x}"


def _trace_terms(
    terms: dict[tuple[int, str], float], frames: tuple[str, ...], errors: tuple[str, ...], message: str
) -> None:
    for error in errors:
        terms[c.ERROR, error] = 1.0
    if not frames:
        return
    counts: Counter[str] = Counter()
    for place, frame in enumerate(frames):
        weight = 1.0 / (1.0 + 0.15 * place)
        terms.setdefault((c.FRAME, frame), weight)
        for raw in tokens(frame):
            for part in raw.split("."):
                counts.update(token_parts(part)[0])
        if place and place < 16:
            terms.setdefault((c.FRAME_PAIR, _bucket(frames[place - 1], frame)), weight)
    for raw in tokens(message):
        counts.update(token_parts(raw)[0])
    for stem, count in counts.items():
        terms[c.TRACE_WORD, stem] = 1.0 + float(np.log(count)) if count > 1 else 1.0
