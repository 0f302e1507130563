"""Nearest vectors: exact while the set is small, a graph index (HNSW, by usearch) above that."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.triage.engine.grow import F32, I64, Grow

EXACT_UP_TO = 5_000
# The first dimensions say most (the table is trained so, Kusupati et al. 2022): they choose, all of them order.
HEAD = 64
WIDER = 4


class Nearest:
    """Unit vectors in arrival order; row number = document number.

    Without `graph` nothing is found any more above EXACT_UP_TO rows; the rows stay readable.
    """

    def __init__(self, dims: int, graph: bool = True, head: int = HEAD) -> None:
        self.dims = dims
        self._graphed = graph
        self.rows = Grow(np.float16, dims)
        self._head = min(head, dims)
        self._heads: Grow | None = Grow(np.float32, self._head)
        self._graph: Any = None

    def add(self, vector: NDArray[np.float16]) -> None:
        """Appends one vector."""
        self.rows.extend([vector])
        if self._heads is not None:
            self._heads.extend([vector[: self._head]])
            if self.rows.size > EXACT_UP_TO:
                self._heads = None
                if self._graphed:
                    self._build()
                return
        if self._graph is not None:
            self._link(self.rows.size - 1, self.rows.size)

    def search(self, vector: F32, top: int) -> I64:
        """Row numbers of the nearest `top` rows, nearest first."""
        if not self.rows.size or not vector.any():
            return np.zeros(0, dtype=np.int64)
        if self._heads is not None:
            some = _best(self._heads.view @ vector[: self._head], WIDER * top)
            return some[_best(self.rows.view.take(some, axis=0).astype(np.float32) @ vector, top)]
        if self._graph is None:
            return np.zeros(0, dtype=np.int64)
        return np.asarray(self._graph.search(vector, top).keys, dtype=np.int64)

    def _build(self) -> None:
        from usearch.index import Index

        self._graph = Index(
            ndim=self.dims, metric="ip", dtype="f16", connectivity=12, expansion_add=48, expansion_search=48
        )
        self._link(0, self.rows.size)

    def _link(self, start: int, end: int) -> None:
        # One thread: the graph must be the same on every run.
        self._graph.add(np.arange(start, end, dtype=np.uint64), self.rows.view[start:end], threads=1)


def _best(scores: NDArray[np.float32], top: int) -> I64:
    part = np.argpartition(-scores, top)[:top] if len(scores) > top else np.arange(len(scores))
    return part.take(np.lexsort((-part, -scores.take(part)))).astype(np.int64)
