"""A newcomer's first reports: the engine on short streams cut from the development sets.

    python -m benchmarks.clustering.young

Each stream has about fifty reports of one set: nine of its groups, of each two to four reports in a row, and thirty
single reports, in order of arrival. Prints, for each set, precision, recall and F1 of the pairs put together in all
fourteen streams. In-sample, as `run`.
"""

import json
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

from benchmarks.clustering.collect import SETS, rows
from benchmarks.clustering.run import cluster
from services.triage.engine import Config

STREAMS, GROUPS, SINGLE = 14, 9, 30


def streams(items: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Short streams of a set; the same on every run."""
    dice = np.random.default_rng(len(items))
    groups: dict[str, list[int]] = {}
    for place, row in enumerate(items):
        groups.setdefault(row["label"], []).append(place)
    several = [found for found in groups.values() if len(found) > 1]
    single = [found[0] for found in groups.values() if len(found) == 1]
    for _ in range(STREAMS):
        chosen: list[int] = []
        for number in dice.choice(len(several), min(GROUPS, len(several)), replace=False):
            found = several[number]
            size = min(len(found), int(dice.integers(2, 5)))
            start = int(dice.integers(0, len(found) - size + 1))
            chosen += found[start : start + size]
        if single:
            chosen += [single[n] for n in dice.choice(len(single), min(SINGLE, len(single)), replace=False)]
        yield [items[place] for place in sorted(chosen)]


def main() -> None:
    """Command line."""
    for name in SETS:
        right = said = real = reports = 0
        for items in streams(rows(name)):
            reports += len(items)
            where = {row["id"]: row["cluster"] for row in cluster(items, Config())}
            for one, two in combinations(items, 2):
                together, same = where[one["id"]] == where[two["id"]], one["label"] == two["label"]
                right, said, real = right + (together and same), said + together, real + same
        precision, recall = right / max(1, said), right / max(1, real)
        f1 = 2 * right / max(1, said + real)
        shown = {"pair_p": round(precision, 3), "pair_r": round(recall, 3), "pair_f1": round(f1, 3)}
        print(json.dumps({"set": name, "reports": reports, **shown}), flush=True)


if __name__ == "__main__":
    main()
