"""Nearest vectors: exact while the set is small, a graph index (HNSW, by usearch) above that.

vecdot and not @: BLAS would start a thread per core for each search, which costs ten times the search
on a busy machine.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.triage.engine.corpus import F32, I64, Grow

EXACT_UP_TO = 5_000


class Nearest:
    """Unit vectors in arrival order; row number = document number.

    Without `graph` nothing is found any more above EXACT_UP_TO rows; the rows stay readable.
    """

    def __init__(self, dims: int, graph: bool = True) -> None:
        self.dims = dims
        self._graphed = graph
        self.rows = Grow(np.float16, dims)
        # The exact search reads this copy; converting on every search would cost more than the search.
        self._exact: Grow | None = Grow(np.float32, dims)
        self._graph: Any = None

    def add(self, vector: NDArray[np.float16]) -> None:
        """Appends one vector."""
        self.rows.extend([vector])
        if self._exact is not None:
            self._exact.extend([vector])
            if self.rows.size > EXACT_UP_TO:
                self._exact = None
                if self._graphed:
                    self._build()
                return
        if self._graph is not None:
            self._link(self.rows.size - 1, self.rows.size)

    def search(self, vector: F32, top: int) -> I64:
        """Row numbers of the nearest `top` rows, nearest first."""
        size = self.rows.size
        if not size or not vector.any():
            return np.zeros(0, dtype=np.int64)
        if self._exact is not None:
            return _best(np.vecdot(self._exact.view, vector), top)
        if self._graph is None:
            return np.zeros(0, dtype=np.int64)
        keys = self._graph.search(vector, top).keys
        return np.asarray(keys, dtype=np.int64)

    def _build(self) -> None:
        from usearch.index import Index

        self._graph = Index(
            ndim=self.dims, metric="ip", dtype="f16", connectivity=16, expansion_add=64, expansion_search=64
        )
        self._link(0, self.rows.size)

    def _link(self, start: int, end: int) -> None:
        # One thread: the graph must be the same on every run.
        self._graph.add(np.arange(start, end, dtype=np.uint64), self.rows.view[start:end], threads=1)


def _best(scores: NDArray[np.float32], top: int) -> I64:
    part = np.argpartition(-scores, top)[:top] if len(scores) > top else np.arange(len(scores))
    return part[np.lexsort((-part, -scores[part]))].astype(np.int64)
