"""What ranking returns."""

from __future__ import annotations

import msgspec


class Evidence(msgspec.Struct, frozen=True):
    """One reason: `kind` for programs, `detail` for people, `weight` the part of the score it gave."""

    kind: str
    detail: str
    weight: float


class Symbol(msgspec.Struct, frozen=True):
    """A definition worth reading in a candidate file; lines are 1-based and inclusive."""

    name: str
    kind: str
    start_line: int
    end_line: int


class Candidate(msgspec.Struct, frozen=True):
    """A file that may have to change; the surest evidence first.

    `share` (0..1) is the file's part of the belief among all files (softmax of the scores): how sure the order is.
    """

    path: str
    score: float
    evidence: list[Evidence]
    symbols: list[Symbol]
    share: float = 0.0
