"""The learned pair score at run time, in numpy alone: a logistic regression and boosted trees, averaged.

Weights come from `benchmarks/clustering/train.py`; the files hold numbers only. One model for each regime
(reports with text, trace-only events, short messages), and a set of its own for the mode without vectors.
"""

import functools
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
WEIGHTS = Path(__file__).parent / "weights"
REGIMES = ("text", "trace", "short")


class Trees(msgspec.Struct):
    """Boosted binary trees, padded to one width: arrays (trees, nodes). A leaf points to itself."""

    feature: NDArray[np.int16]
    threshold: F32
    left: NDArray[np.int16]
    right: NDArray[np.int16]
    value: F32
    depth: int
    start: float

    def raw(self, x: F32) -> F32:
        """Sum of leaf values (log odds) for each row of x."""
        count, nodes = self.feature.shape
        offset = np.arange(count) * nodes
        feature, threshold = self.feature.ravel(), self.threshold.ravel()
        left = (self.left + offset[:, None]).ravel()
        right = (self.right + offset[:, None]).ravel()
        rows = np.arange(len(x))[:, None]
        at = np.broadcast_to(offset, (len(x), count))
        for _ in range(self.depth):
            at = np.where(x[rows, feature[at]] <= threshold[at], left[at], right[at])
        return np.asarray(self.value.ravel()[at].sum(axis=1) + self.start, dtype=np.float32)


class Model(msgspec.Struct):
    """Standardised logistic regression plus trees. Rows the regression puts below the best `keep` are
    scored by the regression alone: they are far from any decision."""

    mean: F32
    scale: F32
    coef: F32
    intercept: float
    trees: Trees

    def score(self, x: F32, keep: int = 28) -> F32:
        """Probability-like scores in 0..1 for feature rows."""
        linear = ((x - self.mean) / self.scale) @ self.coef + np.float32(self.intercept)
        total = np.minimum(linear, np.float32(-2.0))
        best = np.argsort(-linear, kind="stable")[:keep]
        total[best] = 0.5 * linear[best] + 0.5 * self.trees.raw(x[best])
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(total, -30, 30))), dtype=np.float32)


@functools.cache
def load_models(mode: str) -> tuple[Model, Model, Model]:
    """The three models of a mode ("dense" or "lexical"), one per regime."""
    with np.load(WEIGHTS / f"{mode}.npz", allow_pickle=False) as held:
        return (_model(held, "text"), _model(held, "trace"), _model(held, "short"))


def _model(held: "np.lib.npyio.NpzFile", regime: str) -> Model:
    def part(name: str) -> NDArray[np.float32]:
        return np.asarray(held[f"{regime}_{name}"])

    extra = part("extra")
    trees = Trees(
        feature=part("feature").astype(np.int16), threshold=part("threshold").astype(np.float32),
        left=part("left").astype(np.int16), right=part("right").astype(np.int16),
        value=part("value").astype(np.float32), depth=int(extra[0]), start=float(extra[1]),
    )  # fmt: skip
    return Model(part("mean"), part("scale"), part("coef"), float(extra[2]), trees)
