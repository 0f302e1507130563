"""Vectors that an embedding service gave for reports: kept, searched, and compared on a scale of the stream's own.

Services differ in what a cosine of 0.5 means; here a likeness counts the standard deviations above the mean cosine
of neighbours in time, which are rarely about the same thing.
"""

import numpy as np
from numpy.typing import NDArray

from services.triage.engine.features import MISSING
from services.triage.engine.grow import F32, I64, Grow
from services.triage.engine.nearest import Nearest
from services.triage.engine.text import plain
from services.triage.engine.trace import split_body
from services.triage.engine.types import Report

ASKED_CHARS = 1_500
FEWEST_WORDS = 5
KEPT_DIMS = 512
FEWEST_DIMS = 8
NEIGHBOURS = 16
# What is taken for granted before the stream shows its own: this many cosines of this mean and variance.
PRIOR, PRIOR_MEAN, PRIOR_VARIANCE = 32.0, 0.15, 0.015

Vector = NDArray[np.float32]
NONE: Vector = np.zeros(0, dtype=np.float32)


def text_to_embed(report: Report) -> str:
    """Title and start of the body in one line, at most ASKED_CHARS; empty for an event that is only a trace: vectors
    of traces mislead."""
    prose, inner = split_body(plain(report.body))
    if (inner or report.stacktrace) and len(prose.split()) < FEWEST_WORDS:
        return ""
    told = (" ".join(part.split()).strip(" .") for part in (plain(report.title), prose))
    return ". ".join(part for part in told if part)[:ASKED_CHARS]


class Given:
    """The vectors of some of the reports. The first vector fixes the length for all."""

    def __init__(self) -> None:
        self._near: Nearest | None = None
        self._dims = 0
        self._row = Grow(np.int32)
        self._doc = Grow(np.int64)
        self._count = PRIOR
        self._sum = PRIOR * PRIOR_MEAN
        self._squares = PRIOR * (PRIOR_VARIANCE + PRIOR_MEAN**2)

    def usable(self, vector: NDArray[np.float32] | None) -> Vector:
        """The first KEPT_DIMS dimensions at unit length; NONE where there is no vector, or none that fits here."""
        if vector is None or vector.ndim != 1 or len(vector) < FEWEST_DIMS:
            return NONE
        if self._dims and min(len(vector), KEPT_DIMS) != self._dims:
            return NONE
        kept = np.asarray(vector[:KEPT_DIMS], dtype=np.float32)
        length = float(np.linalg.norm(kept))
        return np.asarray(kept / length, dtype=np.float32) if 1e-6 < length < np.inf else NONE

    def add(self, vector: NDArray[np.float16]) -> None:
        """The next report's vector, or an empty one."""
        unit = self.usable(vector.astype(np.float32))
        if not len(unit):
            self._row.append(-1)
            return
        if self._near is None:
            self._dims = len(unit)
            self._near = Nearest(self._dims, head=self._dims)
        rows = self._near.rows
        if rows.size:
            near = rows.view[-NEIGHBOURS:].astype(np.float32) @ unit
            self._count += len(near)
            self._sum += float(near.sum(dtype=np.float64))
            self._squares += float((near * near).sum(dtype=np.float64))
        self._doc.append(self._row.size)
        self._row.append(rows.size)
        self._near.add(unit.astype(np.float16))

    def search(self, vector: Vector, top: int) -> I64:
        """Numbers of the nearest reports."""
        if self._near is None or not len(vector):
            return np.zeros(0, dtype=np.int64)
        return np.asarray(self._doc.view[self._near.search(vector, top)], dtype=np.int64)

    def likeness(self, vector: Vector, docs: I64) -> F32 | None:
        """Standard deviations above the usual cosine, 0 at least; MISSING for reports without a vector. None when the
        asking one has none."""
        if self._near is None or not len(vector):
            return None
        rows = self._row.view[docs]
        mean = self._sum / self._count
        spread = max(self._squares / self._count - mean * mean, 1e-4) ** 0.5
        found = (self._near.rows.view[np.maximum(rows, 0)].astype(np.float32) @ vector - mean) / spread
        return np.where(rows >= 0, np.maximum(found, 0.0), MISSING).astype(np.float32)
