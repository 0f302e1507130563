"""Trains the pair models from the labelled development sets and writes their weights (numbers only).

    python -m benchmarks.clustering.train [--mode dense|lexical|full] [--embeddings FOLDER]

Each set is replayed once ("full": with the embeddings of its reports, from benchmarks.clustering.embed); a third of the
arrivals is seen with 30 % of the dates hidden. Pairs of a set weigh so that every set counts alike. The sets themselves
are never copied here; CLUSTERING_BENCH names their folder.
"""

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from benchmarks.clustering.collect import SETS, Pairs, collect, rows, without_dates
from services.triage.engine.features import ALIGNED, NAMES
from services.triage.engine.scorer import CUT, REGIMES, WEIGHTS, Model, Nets, Trees

USED = {"text": ("xamarin", "xnat", "apache", "crash"), "trace": ("trace", "d4j", "crash"), "short": ("banking",)}
DATE_DROP = 0.3
DATELESS = 0.35
NEAR = 12
FAR_KEPT = 0.25
DEPTH = 4
TREES = 220
HIDDEN = (64, 32)
SEEDS = 3
EPOCHS = 20
# How regression, trees and networks are mixed, by regime: what scored best out of fold; the simplest where it is close.
SHARES = {"text": (0.0, 0.5, 0.5), "trace": (0.5, 0.5, 0.0), "short": (0.5, 0.5, 0.0)}


def fit(
    x: NDArray[np.float32], y: NDArray[np.bool_], w: NDArray[np.float64], shares: tuple[float, float, float]
) -> Model:
    """One regime's model: two regressions on standardised features, the first without the costly ones, trees, and
    networks on the same standardised features."""
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
        _nets(flat, y, w) if shares[2] else None, shares,
    )  # fmt: skip


def _nets(flat: NDArray[np.float32], y: NDArray[np.bool_], w: NDArray[np.float64]) -> Nets:
    """Small networks that differ in their seed only; stopped by count, not by convergence."""
    trained = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for seed in range(SEEDS):
            net = MLPClassifier(
                HIDDEN, alpha=0.01, batch_size=1_024, learning_rate_init=2e-3, max_iter=EPOCHS, tol=0.0,
                random_state=seed,
            )  # fmt: skip
            trained.append(net.fit(np.clip(flat, -CUT, CUT), y, w / w.mean()))
    one, two, three = (np.stack([net.coefs_[layer] for net in trained]).astype(np.float32) for layer in range(3))
    a, b, c = (np.stack([net.intercepts_[layer][None] for net in trained]).astype(np.float32) for layer in range(3))
    return Nets((one, two, three), (a, b, c))


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
            f"{regime}_extra": np.array(
                [model.first_intercept, model.intercept, model.trees.start, *model.shares], np.float64
            ),
            f"{regime}_feature": model.trees.feature.astype(np.uint8), f"{regime}_threshold": model.trees.threshold,
            f"{regime}_value": model.trees.value,
        }  # fmt: skip
        nets = zip(model.nets.weights, model.nets.biases, strict=True) if model.nets is not None else ()
        for layer, (weight, bias) in enumerate(nets):
            held |= {f"{regime}_weight{layer}": weight.astype(np.float16), f"{regime}_bias{layer}": bias[:, 0]}
    WEIGHTS.mkdir(exist_ok=True)
    np.savez_compressed(WEIGHTS / f"{mode}.npz", allow_pickle=False, **held)


def gather(mode: str, embeddings: Path | None = None) -> dict[str, tuple[Pairs, int]]:
    """Pairs of every set and its number of reports. `embeddings`: the folder with `<set>.npy`, rows as in the set."""
    found = {}
    for name in SETS:
        items = rows(name)
        file = embeddings / f"{name}.npy" if embeddings else None
        vectors = np.load(file).astype(np.float32) if file and file.exists() else None
        found[name] = (collect(items, mode == "lexical", vectors), len(items))
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
            models[regime] = fit(x, y, weights, SHARES[regime])
    return models


def main() -> None:
    """Trains and writes one mode or both."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--mode", choices=("dense", "lexical", "full"))
    words.add_argument(
        "--embeddings", type=Path, help="for full: folder of <set>.npy, from benchmarks.clustering.embed"
    )
    asked = words.parse_args()
    for mode in (asked.mode,) if asked.mode else ("dense", "lexical"):
        models = train(gather(mode, asked.embeddings))
        if mode == "full":
            del models["trace"]
        save(mode, models)
    print(f"{len(NAMES)} features")


if __name__ == "__main__":
    main()
