"""How often a term is met before the stream itself can tell.

In the first reports of a project every word is rare, and "the" would say as much as an error code. A small table
of rates stands in for PRIOR_REPORTS earlier reports in which each term came as often as it does in reports at
large; after some hundred reports it hardly matters. The table holds rates only, at places given by checksums:
a count-min sketch (Cormode and Muthukrishnan 2005) from which no word can be read.
"""

import functools
from pathlib import Path

import numpy as np

from services.triage.engine.grow import F32, I64, U64

PRIOR_REPORTS = 100.0
SIDE = 1 << 14
STEP = 24.0  # a cell q > 0 stands for the rate exp((q - 255) / STEP); 0 for none
FILE = Path(__file__).parent / "weights" / "priors.npz"
_SEEDS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))


def places(keys: U64) -> tuple[I64, I64]:
    """Where the terms of these vocabulary keys have their rates, one place in each row."""
    mixed = keys ^ (keys >> np.uint64(31))
    one, two = (((mixed * seed) >> np.uint64(48)).astype(np.int64) % SIDE for seed in _SEEDS)
    return one, two


@functools.cache
def _rates() -> F32:
    with np.load(FILE, allow_pickle=False) as held:
        cells = held["cells"].astype(np.float32)
    return np.where(cells > 0, np.exp((cells - 255.0) / np.float32(STEP)), 0.0).astype(np.float32)


def expected(keys: U64) -> F32:
    """In how many of PRIOR_REPORTS earlier reports each term would have been met."""
    rates = _rates()
    one, two = places(keys)
    return np.asarray(np.minimum(rates[0, one], rates[1, two]) * np.float32(PRIOR_REPORTS))
