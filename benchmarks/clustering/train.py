"""Trains the pair models from the labelled development sets and writes their weights (numbers only).

    python -m benchmarks.clustering.train [--mode dense|lexical]

Each set is replayed once; a third of the arrivals is seen with 30 % of the dates hidden. Pairs of a set weigh so that
every set counts alike. The sets themselves are never copied here; CLUSTERING_BENCH names their folder.
"""

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.clustering.collect import SETS, Pairs, collect, rows, without_dates
from services.triage.engine.features import ALIGNED, NAMES
from services.triage.engine.scorer import REGIMES, WEIGHTS, Model, Trees

USED = {"text": ("xamarin", "xnat", "apache", "crash"), "trace": ("trace", "d4j", "crash"), "short": ("banking",)}
DATE_DROP = 0.3
DATELESS = 0.35
NEAR = 12
FAR_KEPT = 0.25
DEPTH = 4
TREES = 220


def fit(x: NDArray[np.float32], y: NDArray[np.bool_], w: NDArray[np.float64]) -> Model:
    """One regime's model: two regressions on standardised features, the first without the costly ones, and trees."""
    scaler = StandardScaler().fit(x)
    flat = scaler.transform(x).astype(np.float32)
    cheap = flat.copy()
    cheap[:, ALIGNED : ALIGNED + 2] = 0.0
    first = LogisticRegression(C=0.3, max_iter=100, tol=1e-3).fit(cheap, y, w)
    linear = LogisticRegression(C=0.3, max_iter=100, tol=1e-3).fit(flat, y, w)
    boosted = HistGradientBoostingClassifier(
        max_iter=TREES, learning_rate=0.06, max_depth=DEPTH, max_leaf_nodes=12, min_samples_leaf=80, max_features=0.35,
        l2_regularization=8.0, early_stopping=False, random_state=0,
    ).fit(x, y, sample_weight=w)  # fmt: skip
    unused = np.ones(x.shape[1], dtype=np.float32)
    unused[ALIGNED : ALIGNED + 2] = 0.0
    return Model(
        scaler.mean_.astype(np.float32), scaler.scale_.astype(np.float32),
        (first.coef_[0] * unused).astype(np.float32), linear.coef_[0].astype(np.float32),
        float(first.intercept_[0]), float(linear.intercept_[0]), _trees(boosted),
    )  # fmt: skip


def _trees(boosted: Any) -> Trees:
    """Every tree made complete: below a leaf that comes early, all leaves have its value."""
    grown = [step[0].nodes for step in boosted._predictors]
    inner = (1 << DEPTH) - 1
    trees = Trees(
        np.zeros((len(grown), inner), np.int32), np.full((len(grown), inner), np.inf, np.float32),
        np.zeros((len(grown), inner + 1), np.float32), float(boosted._baseline_prediction.ravel()[0]),
    )  # fmt: skip
    for row, nodes in enumerate(grown):
        queue = [(0, 0)]
        for at, node in queue:
            leaf = bool(nodes["is_leaf"][node])
            if at >= inner:
                trees.value[row, at - inner] = nodes["value"][node]
                continue
            if not leaf:
                trees.feature[row, at] = nodes["feature_idx"][node]
                trees.threshold[row, at] = nodes["num_threshold"][node]
            left, right = (node, node) if leaf else (nodes["left"][node], nodes["right"][node])
            queue += [(2 * at + 1, int(left)), (2 * at + 2, int(right))]
    return trees


def save(mode: str, models: dict[str, Model]) -> None:
    """Writes weights/<mode>.npz."""
    held: dict[str, NDArray[Any]] = {}
    for regime, model in models.items():
        held |= {
            f"{regime}_mean": model.mean, f"{regime}_scale": model.scale, f"{regime}_first": model.first_coef,
            f"{regime}_coef": model.coef,
            f"{regime}_extra": np.array([model.first_intercept, model.intercept, model.trees.start], np.float64),
            f"{regime}_feature": model.trees.feature.astype(np.uint8), f"{regime}_threshold": model.trees.threshold,
            f"{regime}_value": model.trees.value,
        }  # fmt: skip
    WEIGHTS.mkdir(exist_ok=True)
    np.savez_compressed(WEIGHTS / f"{mode}.npz", allow_pickle=False, **held)


def gather(mode: str) -> dict[str, tuple[Pairs, int]]:
    """Pairs of every set and its number of reports."""
    found = {}
    for name in SETS:
        items = rows(name)
        found[name] = (collect(items, lexical=mode == "lexical"), len(items))
        print(f"{name}: {len(found[name][0].y)} pairs", flush=True)
    return found


def thin(pairs: Pairs, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Leaves out three of four far-off negatives and weighs the fourth for them: (rows kept, their weights)."""
    near = pairs.y | (pairs.x[:, NAMES.index("base_rank")] < np.log1p(NEAR))
    some = np.flatnonzero(near | (np.random.default_rng(seed).random(len(pairs.y)) < FAR_KEPT))
    return some, np.where(near[some], 1.0, 1 / FAR_KEPT)


def examples(
    pairs: Pairs, mask: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float64]]:
    """(features, same label, weight) of the pairs in `mask`; of a part of the arrivals some dates are hidden."""
    some, weights = thin(pairs)
    chosen = mask[some]
    some, weights = some[chosen], weights[chosen]
    x = pairs.x[some]
    dateless = (np.random.default_rng(1).random(int(pairs.query.max()) + 1) < DATELESS)[pairs.query[some]]
    x[dateless] = without_dates(pairs, DATE_DROP)[some[dateless]]
    return x, pairs.y[some], weights


def train(pairs: dict[str, tuple[Pairs, int]], keep: Any = None) -> dict[str, Model]:
    """A model per regime. `keep(name, pairs) -> mask` leaves rows out, for validation."""
    models = {}
    for regime in REGIMES:
        parts = []
        for name in USED[regime]:
            part, reports = pairs[name]
            mask = np.ones(len(part.y), dtype=bool) if keep is None else keep(name, part)
            if mask.any():
                x, y, weights = examples(part, mask)
                parts.append((x, y, weights * (1e4 / reports)))
        if parts:
            x, y, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
            models[regime] = fit(x, y, weights)
    return models


def main() -> None:
    """Trains and writes one mode or both."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--mode", choices=("dense", "lexical"))
    asked = words.parse_args().mode
    for mode in (asked,) if asked else ("dense", "lexical"):
        save(mode, train(gather(mode)))
    print(f"{len(NAMES)} features")


if __name__ == "__main__":
    main()
