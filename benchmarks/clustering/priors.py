"""Makes the table of term rates for streams that have only begun (services/triage/engine/priors.py).

    python -m benchmarks.clustering.priors

A term's rate is the second highest of its rates in the sets: what only one tracker says often is not general.
Rates below LEAST are left out. No labels are used.
"""

import numpy as np

from benchmarks.clustering.collect import rows
from services.triage.engine.analyse import analyse
from services.triage.engine.corpus import FRAME_PAIR, KINDS, PAIR
from services.triage.engine.offline import report_of
from services.triage.engine.priors import FILE, SIDE, STEP, places
from services.triage.engine.text import Boilerplate

FROM = ("xamarin", "apache", "crash", "trace", "d4j", "banking")
LEAST = 0.003


def rates(name: str) -> dict[int, float]:
    """Share of the reports of a set that have a term, among those that have its kind at all, by vocabulary key."""
    boilerplate = Boilerplate()
    counts: dict[int, int] = {}
    having = np.zeros(KINDS)
    for line, row in enumerate(rows(name), start=1):
        analysis = analyse(report_of(row, line), boilerplate)
        boilerplate.learn(sorted(set(analysis.lines)))
        keys = analysis.keys.tolist()
        having[list({key >> 32 for key in keys})] += 1
        for key in keys:
            counts[key] = counts.get(key, 0) + 1
    return {key: count / having[key >> 32] for key, count in counts.items() if key >> 32 not in (PAIR, FRAME_PAIR)}


def main() -> None:
    """Writes the table."""
    found: dict[int, list[float]] = {}
    for name in FROM:
        for key, rate in rates(name).items():
            found.setdefault(key, []).append(rate)
    general = {key: sorted(values)[-2] for key, values in found.items() if len(values) > 1}
    general = {key: rate for key, rate in general.items() if rate >= LEAST}
    sums = np.zeros((2, SIDE))
    for row, at in enumerate(places(np.array(list(general), dtype=np.uint64))):
        np.add.at(sums[row], at, list(general.values()))
    cells = np.where(sums > 0, np.clip(np.round(255 + STEP * np.log(np.clip(sums, 1e-9, 1.0))), 1, 255), 0)
    np.savez_compressed(FILE, allow_pickle=False, cells=cells.astype(np.uint8))
    print(f"{len(general)} terms, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
