"""Honest figures: every report is scored by models that have not seen its group of duplicates.

    python -m benchmarks.clustering.validate folds   three folds over groups, the same group in one fold in all sets
    python -m benchmarks.clustering.validate origin  reports of one origin (id prefix) scored by models of the others

By origin, a kind of stream that no other origin has (short messages) is scored by the model of text reports.
Prints the lines of `run`. Thresholds are the shipped ones.
"""

import argparse
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.clustering.collect import SETS, Pairs, rows
from benchmarks.clustering.run import report
from benchmarks.clustering.train import gather, train
from services.triage.engine import Config, Engine
from services.triage.engine.scorer import REGIMES

FOLDS = 3


def fold_of(row: dict[str, Any]) -> int:
    """The fold of a report's group; an event made from a report is of that report's group."""
    return zlib.crc32(row["label"].removeprefix("ev-").encode()) % FOLDS


def origins() -> dict[str, int]:
    """Origin of each report by the first part of its id, numbered."""
    names = sorted({origin(row) for name in SETS for row in rows(name)})
    return {name: number for number, name in enumerate(names)}


def origin(row: dict[str, Any]) -> str:
    """First part of an id: reports of one tracker share it."""
    return str(row["id"]).removeprefix("ev-").split("-", 1)[0]


def main() -> None:
    """Command line."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("by", choices=("folds", "origin"))
    by = words.parse_args().by
    known = origins()
    part: Callable[[dict[str, Any]], int] = fold_of if by == "folds" else lambda row: known[origin(row)]
    places = {name: np.array([part(row) for row in rows(name)]) for name in SETS}
    pairs = gather("dense")
    models = {}
    for held in sorted({int(value) for found in places.values() for value in found}):

        def keep(name: str, found: Pairs, held: int = held) -> NDArray[np.bool_]:
            mask = (places[name][found.query] != held) & (places[name][found.candidate] != held)
            return np.asarray(mask)

        trained = train(pairs, keep)
        models[held] = tuple(trained.get(regime, trained["text"]) for regime in REGIMES)

    def choose(engine: Engine, row: dict[str, Any]) -> None:
        one, two, three = models[part(row)]
        engine.models = (one, two, three)

    report(list(SETS), Config(), choose)


if __name__ == "__main__":
    main()
