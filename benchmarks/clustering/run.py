"""Runs the engine over the labelled development sets and prints one JSON line of scores for each, then the mean.

    python -m benchmarks.clustering.run [--lexical] [--embeddings FOLDER] [folder] [set ...]

The folder, or CLUSTERING_BENCH, holds `*_dev.jsonl` and `evaluate_clusters.py` (default ../shared/bench/clustering).
The figures are in-sample as far as the pair model was trained on these sets: see `validate` for the others.
"""

import argparse
import importlib.util
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.clustering import collect
from benchmarks.clustering.collect import SETS, rows
from services.triage.engine import Config, Engine
from services.triage.engine.offline import report_of

SHOWN = ("pair_p", "pair_r", "pair_f1", "b3_f1", "b3d_f1", "join_p", "join_r", "join_f1", "r@1", "r@5")
Choose = Callable[[Engine, dict[str, Any]], None]


def scorer() -> Callable[[list[dict[str, Any]], list[dict[str, Any]]], dict[str, float]]:
    """The `score` function of the bench folder."""
    spec = importlib.util.spec_from_file_location("evaluate_clusters", collect.BENCH / "evaluate_clusters.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[list[dict[str, Any]], list[dict[str, Any]]], dict[str, float]] = module.score
    return found


def cluster(
    items: list[dict[str, Any]],
    config: Config,
    choose: Choose | None = None,
    vectors: NDArray[np.float32] | None = None,
) -> list[dict[str, Any]]:
    """Predictions for one set. `choose` may exchange the engine's models before an arrival (validation); `vectors`: the
    embeddings of the reports."""
    engine = Engine(config)
    found = []
    for line, row in enumerate(items, start=1):
        if choose is not None:
            choose(engine, row)
        placed = engine.assign(report_of(row, line), None if vectors is None else vectors[line - 1])
        found.append({"id": row["id"], "candidates": list(placed.candidates)})
    return [{**row, "cluster": engine.cluster_of(row["id"])} for row in found]


def report(
    names: list[str], config: Config, choose: Choose | None = None, embeddings: Path | None = None
) -> dict[str, float]:
    """Prints a line for each set and one for the mean; returns the mean."""
    score = scorer()
    totals: dict[str, float] = dict.fromkeys(SHOWN, 0.0)
    for name in names:
        items = rows(name)
        start = time.perf_counter()
        file = embeddings / f"{name}.npy" if embeddings else None
        vectors = np.load(file).astype(np.float32) if file and file.exists() else None
        predicted = cluster(items, config, choose, vectors)
        rate = len(items) / (time.perf_counter() - start)
        found = score(items, predicted)
        for key in SHOWN:
            totals[key] += found[key] / len(names)
        shown = {key: round(float(found[key]), 4) for key in SHOWN}
        print(json.dumps({"set": name, "items": len(items), **shown, "items_per_s": round(rate)}), flush=True)
    print(json.dumps({"set": "mean", **{key: round(float(value), 4) for key, value in totals.items()}}), flush=True)
    return totals


def main() -> None:
    """Command line."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("sets", nargs="*", help="names of sets; a folder before them is where they are")
    words.add_argument("--lexical", action="store_true", help="without word vectors")
    words.add_argument("--embeddings", type=Path, help="folder of <set>.npy, from benchmarks.clustering.embed")
    asked = words.parse_args()
    sets = list(asked.sets)
    if sets and sets[0] not in SETS:
        collect.BENCH = Path(sets.pop(0))
    absent = [name for name in sets or SETS if not (collect.BENCH / f"{name}_dev.jsonl").is_file()]
    if absent:
        words.error(
            f"{collect.BENCH} has no {absent[0]}_dev.jsonl: name the folder of the sets, or set CLUSTERING_BENCH"
        )
    config = Config(vectors=not asked.lexical, embeddings="those of the folder" if asked.embeddings else "")
    report(sets or list(SETS), config, embeddings=asked.embeddings)


if __name__ == "__main__":
    main()
