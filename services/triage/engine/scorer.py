"""The learned pair score at run time, in numpy alone: a logistic regression, boosted trees and small networks, mixed.

Weights come from `benchmarks/clustering/train.py`; the files hold numbers only. One model for each regime
(reports with text, trace-only events, short messages), and a set of its own for the mode without vectors.
"""

import functools
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.triage.engine.grow import F32, I32

WEIGHTS = Path(__file__).parent / "weights"
REGIMES = ("text", "trace", "short")
LAYERS = 3
CUT = 4.0


class Trees(msgspec.Struct):
    """Boosted binary trees of one depth, every tree complete: feature, threshold (trees, 2**depth - 1) in
    breadth-first order, value (trees, 2**depth). A row goes right where its feature is above the threshold."""

    feature: NDArray[np.int32]
    threshold: F32
    value: F32
    start: float

    def raw(self, x: F32) -> F32:
        """Sum of leaf values (log odds) for each row of x."""
        count, inner = self.feature.shape
        feature, threshold, flat = self.feature.ravel(), self.threshold.ravel(), np.ascontiguousarray(x).ravel()
        first = np.arange(0, count * inner, inner, dtype=np.int32)
        row = np.arange(0, flat.size, x.shape[1], dtype=np.int32)[:, None]
        at: I32 = np.broadcast_to(np.int32(0), (len(x), count))
        for _ in range(inner.bit_length()):
            node = at + first
            right = flat.take(feature.take(node) + row) > threshold.take(node)
            at = np.asarray(2 * at + right + 1, dtype=np.int32)
        leaves = np.arange(-inner, self.value.size - inner, inner + 1, dtype=np.int32)
        leaf = np.asarray(at + leaves, dtype=np.int32)
        return np.asarray(self.value.ravel().take(leaf).sum(axis=1) + self.start, dtype=np.float32)


class Nets(msgspec.Struct):
    """Networks of one shape with two hidden layers of rectified units, several seeds of one training.
    weights: (nets, in, out) per layer, biases: (nets, 1, out). Inputs are standardised and cut at CUT deviations."""

    weights: tuple[F32, F32, F32]
    biases: tuple[F32, F32, F32]

    def raw(self, x: F32) -> F32:
        """Mean log odds of the networks for each row of standardised x."""
        layer: F32 = np.clip(x, -CUT, CUT)
        for weight, bias in zip(self.weights[:2], self.biases[:2], strict=True):
            layer = np.matmul(layer, weight)
            layer += bias
            np.maximum(layer, 0, out=layer)
        return np.asarray((np.matmul(layer, self.weights[2]) + self.biases[2]).mean(axis=0)[:, 0])


class Model(msgspec.Struct):
    """Two stages. `first`, a logistic regression without the costly features, chooses who is looked at closely;
    `score` mixes the log odds of a logistic regression on all features, of boosted trees and of networks by `shares`
    (networks only where they have one).
    A regression is (mean, scale, coefficients) per feature and an intercept."""

    mean: F32
    scale: F32
    first_coef: F32
    coef: F32
    first_intercept: float
    intercept: float
    trees: Trees
    nets: Nets | None
    shares: tuple[float, float, float]

    def first(self, x: F32) -> F32:
        """Log odds of the first stage."""
        x = x[:, : len(self.mean)]
        return np.asarray((x - self.mean) / self.scale @ self.first_coef + np.float32(self.first_intercept))

    def score(self, x: F32) -> F32:
        """Probability-like scores in 0..1 for feature rows. Columns that a model was not trained with are left out."""
        x = x[:, : len(self.mean)]
        flat = (x - self.mean) / self.scale
        linear, trees, nets = self.shares
        total = trees * self.trees.raw(x)
        if self.nets is not None:
            total += nets * self.nets.raw(flat)
        if linear:
            total += linear * (flat @ self.coef + np.float32(self.intercept))
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(total, -30, 30))), dtype=np.float32)


@functools.cache
def load_models(mode: str) -> tuple[Model, Model, Model]:
    """The three models of a mode, one per regime. Modes: "dense", "lexical" (without word vectors), and "full" for
    reports that have an embedding as well (where that says nothing, in traces, it is the model of "dense")."""
    with np.load(WEIGHTS / f"{mode}.npz", allow_pickle=False) as held:
        trace = _model(held, "trace") if "trace_mean" in held else load_models("dense")[1]
        return (_model(held, "text"), trace, _model(held, "short"))


def _model(held: "np.lib.npyio.NpzFile", regime: str) -> Model:
    def part(name: str) -> NDArray[np.float32]:
        return np.asarray(held[f"{regime}_{name}"])

    first, last, start, *shares = (float(value) for value in part("extra"))
    trees = Trees(
        part("feature").astype(np.int32), part("threshold").astype(np.float32), part("value").astype(np.float32), start
    )
    linear, boosted, nets = shares
    return Model(
        part("mean"), part("scale"), part("first"), part("coef"), first, last, trees,
        _nets(held, regime) if nets else None, (linear, boosted, nets),
    )  # fmt: skip


def _nets(held: "np.lib.npyio.NpzFile", regime: str) -> Nets:
    one, two, three = (np.asarray(held[f"{regime}_weight{layer}"], dtype=np.float32) for layer in range(LAYERS))
    a, b, c = (np.asarray(held[f"{regime}_bias{layer}"], dtype=np.float32)[:, None, :] for layer in range(LAYERS))
    return Nets((one, two, three), (a, b, c))
