"""Append-only numpy arrays: the engine keeps no Python object for each term or frame of a report."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]


class Grow:
    """An array that doubles. `rows` = items, `width` = 0 for a flat array.

    The unused half costs no memory: np.zeros hands out pages that the system fills only when they are written.
    """

    def __init__(self, dtype: type, width: int = 0) -> None:
        self._data: NDArray[Any] = np.zeros((1_024, width) if width else 1_024, dtype=dtype)
        self.size = 0

    @property
    def view(self) -> NDArray[Any]:
        """The filled part; invalid after the next append."""
        return self._data[: self.size]

    def extend(self, rows: Sequence[object] | NDArray[np.generic]) -> None:
        """Appends rows (or scalars for a flat array)."""
        need = self.size + len(rows)
        self.reserve(need)
        self._data[self.size : need] = rows
        self.size = need

    def append(self, row: object) -> None:
        """Appends one row (or scalar)."""
        self.reserve(self.size + 1)
        self._data[self.size] = row
        self.size += 1

    def reserve(self, need: int) -> None:
        """Makes room for `need` rows in all."""
        if need > len(self._data):
            grown = np.zeros((max(need, 2 * len(self._data)), *self._data.shape[1:]), dtype=self._data.dtype)
            grown[: self.size] = self._data[: self.size]
            self._data = grown

    def more(self, count: int) -> int:
        """Appends `count` zero rows; returns the number of the first."""
        first = self.size
        self.reserve(first + count)
        self.size = first + count
        return first


def spans(starts: I64, lengths: I64) -> I64:
    """start, start + 1, ... of every span, one after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    found: I64 = np.arange(total, dtype=np.int64) + np.repeat(starts - (ends - lengths), lengths)
    return found


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Each value once, in order: np.unique at a third of its cost for the few hundred values of a report."""
    found, _ = counted(values)
    return found


def counted(values: NDArray[Any]) -> tuple[NDArray[Any], I64]:
    """(each value once, in order; how often it came)."""
    ordered = np.sort(values)
    borders = np.ones(len(ordered) + 1, dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=borders[1:-1])
    first = borders.nonzero()[0]
    return ordered.take(first[:-1]), first[1:] - first[:-1]


def pieces(pool: NDArray[Any], starts: I64, lengths: I64) -> NDArray[Any]:
    """The rows of every span of `pool`, one after the other: what `pool[spans(...)]` gives, copied piece by piece.

    Faster where pieces are long; for many short ones `spans` is.
    """
    if not len(starts):
        return pool[:0]
    ends = (starts + lengths).tolist()
    return np.concatenate([pool[start:end] for start, end in zip(starts.tolist(), ends, strict=True)])
