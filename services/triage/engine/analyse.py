"""From a report to its terms, vectors and shape: everything that depends on this one report only."""

from datetime import UTC, datetime

import msgspec
import numpy as np

from services.triage.engine import corpus as c
from services.triage.engine.grow import F32, U64, counted, distinct
from services.triage.engine.text import Boilerplate, checksum, keys_of, plain, tokens
from services.triage.engine.trace import MAX_FRAMES, errors_in, parse, split_body
from services.triage.engine.types import Report

TEXT, TRACE, SHORT = 0, 1, 2
PAIRED_WORDS = 60
SHORT_WORDS = 60
SIGNED_FRAMES = 3
_BUCKETS = np.uint64((1 << 19) - 1)
_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_FRAMES_KEPT = 20_000
_frames: dict[str, tuple[int, tuple[int, ...]]] = {}
_FALLING = [1.0 / (1.0 + 0.15 * place) for place in range(MAX_FRAMES)]

Terms = tuple[U64, F32]


class Analysis(msgspec.Struct, frozen=True):
    """keys, weights: the distinct terms. lines: keys for the boilerplate filter. shape: TEXT, TRACE or SHORT.
    prose/title: cleaned texts for the vectors. words: raw tokens of the body. message: lines of the trace that
    are no frames. day: days since 1970 or nan."""

    keys: U64
    weights: F32
    lines: list[int]
    shape: int
    title: str
    prose: str
    day: float
    words: list[str]
    message: str
    frames: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def signature(self) -> int:
        """The whole trace with its first error as a number below 2**31; 0 where it has fewer than three frames."""
        if len(self.frames) < SIGNED_FRAMES:
            return 0
        return checksum("\n".join((*self.frames, *self.errors[:1]))) >> 1 or 1


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
    message = tokens(trace.message[:2_000])
    errors = tuple(dict.fromkeys((*trace.errors, *errors_in(title), *errors_in(prose))))
    terms = _prose_terms(tokens(title), body_words, message if shape == TRACE else tokens(trace.message[:400]))
    terms += _trace_terms(trace.frames, message)
    terms.append(_weighed(c.ERROR, dict.fromkeys(map(checksum, errors), 1.0)))
    return Analysis(
        keys=np.concatenate([keys for keys, _ in terms]), weights=np.concatenate([weights for _, weights in terms]),
        lines=lines, shape=shape, title=title, prose=prose, day=day_of(report.created_at), words=body_words,
        message=trace.message[:2_000], frames=trace.frames, errors=errors,
    )  # fmt: skip


def _shape(title: str, prose: str, words: int, traced: bool) -> int:
    if traced:
        return TRACE if words < 5 else TEXT
    body = " ".join(prose.split())
    one_line = "\n" not in prose.strip() and words <= SHORT_WORDS
    untitled = bool(body) and (not title or body.startswith(title.rstrip(" .…")))
    return SHORT if one_line and untitled else TEXT


def _prose_terms(head: list[str], body: list[str], message: list[str]) -> list[Terms]:
    keys = keys_of([*head, *body, *message])
    stems = np.array([stem for found, _ in keys for stem in found], dtype=np.uint64)
    idents = dict.fromkeys([ident for _, ident in keys if ident])
    titled = sum([len(found) for found, _ in keys[: len(head)]])
    paired = titled + sum([len(found) for found, _ in keys[len(head) : len(head) + len(body[:PAIRED_WORDS])]])
    return [
        _counted(c.WORD, stems),
        _flat(c.TITLE, distinct(stems[:titled])),
        _flat(c.IDENT, np.array(list(idents), dtype=np.uint64)),
        _flat(c.PAIR, distinct(_pairs(stems[:paired]))),
    ]


def _flat(kind: int, checksums: U64) -> Terms:
    return c.key(kind, checksums), np.ones(len(checksums), dtype=np.float32)


def _counted(kind: int, checksums: U64) -> Terms:
    once, counts = counted(checksums)
    return c.key(kind, once), (1.0 + np.log(counts)).astype(np.float32)


def _weighed(kind: int, terms: dict[int, float]) -> Terms:
    checksums = np.fromiter(terms, dtype=np.uint64, count=len(terms))
    return c.key(kind, checksums), np.fromiter(terms.values(), dtype=np.float32, count=len(terms))


def _pairs(checksums: U64) -> U64:
    """Neighbours, hashed into a fixed number of terms, or they would outgrow the vocabulary proper."""
    mixed = (checksums[:-1] * _FIRST + checksums[1:] * _SECOND) >> np.uint64(20)
    return np.asarray(mixed & _BUCKETS)


def _frame_keys(frame: str) -> tuple[int, tuple[int, ...]]:
    """Checksums of a frame and of the stems in it."""
    known = _frames.get(frame)
    if known is None:
        parts = (part for raw in tokens(frame) for part in raw.split("."))
        known = checksum(frame), tuple([stem for found, _ in keys_of(parts) for stem in found])
        if len(_frames) >= _FRAMES_KEPT:
            _frames.clear()
        _frames[frame] = known
    return known


def _first_weights(terms: list[int], weights: list[float]) -> dict[int, float]:
    """Each term once, in order, with the weight of its first place."""
    found = dict.fromkeys(terms, 0.0)
    found.update(zip(reversed(terms), reversed(weights[: len(terms)]), strict=True))
    return found


def _trace_terms(frames: tuple[str, ...], message: list[str]) -> list[Terms]:
    if not frames:
        return []
    keys = list(map(_frame_keys, frames))
    names = [name for name, _ in keys]
    stems = [stem for _, found in keys for stem in found]
    stems += [stem for found, _ in keys_of(message) for stem in found]
    pairs = _pairs(np.array(names[:16], dtype=np.uint64)).tolist()
    return [
        _weighed(c.FRAME, _first_weights(names, _FALLING)), _weighed(c.FRAME_PAIR, _first_weights(pairs, _FALLING[1:])),
        _counted(c.TRACE_WORD, np.array(stems, dtype=np.uint64)),
    ]  # fmt: skip
