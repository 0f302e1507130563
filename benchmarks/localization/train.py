"""Learns the fusion weights: conditional logit over the files of each issue (McFadden 1974), ridge penalty, by L-BFGS.

    python -m benchmarks.localization.train --data dev.jsonl --mirrors DIR --cache DIR [--write]

Prints leave-one-repository-out results as JSON lines (the honest number: the repository scored was not learned from),
then, with --write, fits on everything and writes services/planner/localise/weights.json.
Text and mention signals may only add, and what demotes a file may only do so within bounds: with a few hundred issues
a free sign is noise that does not carry over to other repositories.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from benchmarks.localization.features import COLUMNS, Features, features_of, load_cases
from services.planner.localise.signals import FLAGS, RANKED

Array = np.ndarray[Any, Any]
RIDGE = 16.0
FLAG_SCALE = 3.0  # flags are rare: less penalty
SIGNED = ("aux", "markup", "is_init", "dts", "dot_mod")
KEPT_PER_CASE = 300


def fit(cases: Sequence[tuple[Array, Array]]) -> Array:
    """One weight per column from (matrix, gold row numbers) pairs."""
    scale = np.array([FLAG_SCALE if name in FLAGS else 1.0 for name in COLUMNS])
    pieces, golds = [], []
    for matrix, gold in cases:
        likely = np.argsort(-matrix.sum(axis=1), kind="stable")[:KEPT_PER_CASE]
        kept = np.union1d(likely, gold)
        pieces.append(matrix[kept] * scale)
        golds.append(np.searchsorted(kept, gold))
    starts = np.cumsum([0, *(len(p) for p in pieces)])
    rows = np.concatenate(pieces)

    def loss(weights: Array) -> tuple[float, Array]:
        scores, gradient, total = rows @ weights, np.zeros(len(rows)), 0.0
        for begin, end, gold in zip(starts, starts[1:], golds, strict=False):
            total += _one_case(scores[begin:end], gold, gradient[begin:end])
        return total + RIDGE * float(weights @ weights) / 2, rows.T @ gradient + RIDGE * weights

    bounds = [(-1.2 / FLAG_SCALE, 0.4) if name in SIGNED else (0.0, None) for name in COLUMNS]
    found = minimize(loss, np.zeros(len(COLUMNS)), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 300})
    return np.asarray(found.x) * scale


def _one_case(scores: Array, gold: Array, gradient: Array) -> float:
    """Each gold file against all files that are not gold; the mean over the gold files."""
    top = scores.max()
    odds = np.exp(scores - top)
    others = np.ones(len(scores), dtype=bool)
    others[gold] = False
    rest, loss, share = odds[others].sum(), 0.0, 1.0 / len(gold)
    for number in gold:
        whole = rest + odds[number]
        loss += share * (np.log(whole) + top - scores[number])
        gradient[others] += share * odds[others] / whole
        gradient[number] += share * (odds[number] / whole - 1)
    return loss


def hits(case: tuple[Array, Array], weights: Array) -> list[float]:
    """any@1, any@3, any@5, any@10, all@5 of one case."""
    matrix, gold = case
    order = np.argsort(-np.round(matrix @ weights, 5), kind="stable")
    ranks = np.empty(len(order), dtype=int)
    ranks[order] = np.arange(len(order))
    best, worst = ranks[gold].min(), ranks[gold].max()
    return [float(best < 1), float(best < 3), float(best < 5), float(best < 10), float(worst < 5)]


def main() -> None:
    """Reads the arguments, reports, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    features = [features_of(case, chosen.cache)[0] for case in load_cases(chosen.data, chosen.mirrors)]
    cases = [_pair(one) for one in features]
    rows = np.zeros((len(cases), 5))
    for repository in sorted({one.repo for one in features}):
        inside = [i for i, one in enumerate(features) if one.repo == repository]
        weights = fit([case for i, case in enumerate(cases) if i not in set(inside)])
        rows[inside] = [hits(cases[i], weights) for i in inside]
        _say(f"left out: {repository}", rows[inside])
    _say("leave-one-repository-out, all", rows)
    weights = fit(cases)
    _say("trained on all (not a result)", np.array([hits(case, weights) for case in cases]))
    if chosen.write:
        _write(weights)


def _pair(one: Features) -> tuple[Array, Array]:
    place = {path: number for number, path in enumerate(one.paths)}
    return one.matrix, np.array([place[g] for g in one.gold if g in place], dtype=int)


def _say(what: str, rows: Array) -> None:
    names = ("any@1", "any@3", "any@5", "any@10", "all@5")
    figures = {name: round(100 * float(v), 1) for name, v in zip(names, rows.mean(axis=0), strict=True)}
    print(json.dumps({"what": what, "cases": len(rows), **figures}))


def _write(weights: Array) -> None:
    by_name = {name: round(float(w), 3) for name, w in zip(COLUMNS, weights, strict=True)}
    document = {
        "ranked": {name: [by_name[f"{name}:value"], by_name[f"{name}:rank"]] for name in RANKED},
        "flags": {name: by_name[name] for name in FLAGS},
    }
    target = Path(__file__).parents[2] / "services/planner/localise/weights.json"
    lines = json.dumps(document, indent=1).replace("[\n   ", "[").replace(",\n   ", ", ").replace("\n  ]", "]")
    target.write_text(lines + "\n")


if __name__ == "__main__":
    main()
