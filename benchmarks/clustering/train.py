"""Trains the pair models from the labelled development sets and writes their weights (numbers only).

    python -m benchmarks.clustering.train [--mode dense|lexical]

Each set is replayed twice, with and without 30 % of its dates. Pairs of a set weigh so that every set
counts alike. The sets themselves are never copied here; CLUSTERING_BENCH names their folder.
"""

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks.clustering.collect import SETS, Pairs, collect, rows, without_dates
from services.triage.engine.features import NAMES
from services.triage.engine.scorer import REGIMES, WEIGHTS, Model, Trees

USED = {"text": ("xamarin", "xnat", "apache", "crash"), "trace": ("trace", "d4j", "crash"), "short": ("banking",)}
DATE_DROP = 0.3
NEAR = 12


def fit(x: NDArray[np.float32], y: NDArray[np.bool_], w: NDArray[np.float64]) -> Model:
    """One regime's model: regression on standardised features, and 220 small trees."""
    scaler = StandardScaler().fit(x)
    linear = LogisticRegression(C=0.3, max_iter=300).fit(scaler.transform(x), y, w)
    boosted = HistGradientBoostingClassifier(
        max_iter=220, learning_rate=0.06, max_depth=4, max_leaf_nodes=12, min_samples_leaf=80, max_features=0.35,
        l2_regularization=8.0, early_stopping=False, random_state=0,
    ).fit(x, y, sample_weight=w)  # fmt: skip
    return Model(
        scaler.mean_.astype(np.float32), scaler.scale_.astype(np.float32),
        linear.coef_[0].astype(np.float32), float(linear.intercept_[0]), _trees(boosted),
    )  # fmt: skip


def _trees(boosted: Any) -> Trees:
    grown = [step[0].nodes for step in boosted._predictors]
    width = max(len(nodes) for nodes in grown)
    shape = (len(grown), width)
    own = np.tile(np.arange(width, dtype=np.int16), (len(grown), 1))
    trees = Trees(
        np.zeros(shape, np.int16), np.full(shape, np.inf, np.float32), own.copy(), own.copy(),
        np.zeros(shape, np.float32), max(int(nodes["depth"].max()) for nodes in grown),
        float(boosted._baseline_prediction.ravel()[0]),
    )  # fmt: skip
    for row, nodes in enumerate(grown):
        inner = np.flatnonzero(~nodes["is_leaf"].astype(bool))
        trees.feature[row, inner] = nodes["feature_idx"][inner]
        trees.threshold[row, inner] = nodes["num_threshold"][inner]
        trees.left[row, inner], trees.right[row, inner] = nodes["left"][inner], nodes["right"][inner]
        trees.value[row, : len(nodes)] = np.where(nodes["is_leaf"], nodes["value"], 0.0)
    return trees


def save(mode: str, models: dict[str, Model]) -> None:
    """Writes weights/<mode>.npz."""
    held: dict[str, NDArray[Any]] = {}
    for regime, model in models.items():
        t = model.trees
        held |= {
            f"{regime}_mean": model.mean, f"{regime}_scale": model.scale, f"{regime}_coef": model.coef,
            f"{regime}_extra": np.array([t.depth, t.start, model.intercept], dtype=np.float64),
            f"{regime}_feature": t.feature, f"{regime}_threshold": t.threshold.astype(np.float32),
            f"{regime}_left": t.left, f"{regime}_right": t.right, f"{regime}_value": t.value,
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


def thin(x: NDArray[np.float32], y: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Leaves out three of four far-off negatives and weighs the fourth for them: (rows kept, their weights)."""
    near = y | (x[:, NAMES.index("base_rank")] < np.log1p(NEAR))
    some = near | (np.random.default_rng(0).random(len(y)) < 0.25)
    return some, np.where(near, 1.0, 4.0)[some]


def train(pairs: dict[str, tuple[Pairs, int]], keep: Any = None) -> dict[str, Model]:
    """A model per regime. `keep(name, pairs) -> mask` leaves rows out, for validation."""
    models = {}
    for regime in REGIMES:
        xs, ys, ws = [], [], []
        for name in USED[regime]:
            part, reports = pairs[name]
            mask = np.ones(len(part.y), dtype=bool) if keep is None else keep(name, part)
            if not mask.any():
                continue
            y = part.y[mask]
            some, weights = thin(part.x[mask], y)
            for x in (part.x, without_dates(part, DATE_DROP)):
                xs.append(x[mask][some])
                ys.append(y[some])
                ws.append(weights * (1e4 / reports))
        if not xs:
            continue
        models[regime] = fit(np.concatenate(xs), np.concatenate(ys), np.concatenate(ws))
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
