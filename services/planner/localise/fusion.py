"""Weighs the signals into one score per file and says which of them put a file where it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np

from services.planner.localise.corpus import Corpus
from services.planner.localise.evidence import Asked, explain
from services.planner.localise.fields import Floats
from services.planner.localise.frames import Frame
from services.planner.localise.index import RepositoryIndex
from services.planner.localise.query import Query, read_issue
from services.planner.localise.results import Candidate
from services.planner.localise.signals import (
    FLAGS,
    RANKED,
    Signals,
    compute_signals,
    order_of,
    rank_scores,
    share_of_best,
)

_WEIGHTS_FILE = Path(__file__).with_name("weights.json")


class Weights(msgspec.Struct, frozen=True):
    """`ranked[name]` = (weight of value / best, weight of 1 / (1 + rank / 4)); `flags[name]` = weight."""

    ranked: dict[str, tuple[float, float]]
    flags: dict[str, float]


@lru_cache(maxsize=1)
def shipped_weights() -> Weights:
    """The weights trained on the development issues (benchmarks/localization/train.py)."""
    return msgspec.json.decode(_WEIGHTS_FILE.read_bytes(), type=Weights)


def contributions(signals: Signals, weights: Weights, crash: bool = False) -> dict[str, Floats]:
    """What each signal adds to each file's score."""
    parts: dict[str, Floats] = {}
    for name in RANKED:
        by_value, by_rank = weights.ranked.get(name, (0.0, 0.0))
        values = signals.values[name]
        parts[name] = np.float32(by_value) * share_of_best(values) + np.float32(by_rank) * rank_scores(values)
    for name in FLAGS:
        parts[name] = np.float32(weights.flags.get(name, 0.0)) * signals.values[name]
    if crash:  # not learned: the development issues quote traces, a crash report is one
        for name in ("frame", "frame_last"):
            parts[name] = parts[name] * np.float32(2)
    return parts


def rank(
    index: RepositoryIndex,
    issue_text: str,
    *,
    title: str | None = None,
    frames: Sequence[Frame] = (),
    limit: int = 20,
    weights: Weights | None = None,
) -> list[Candidate]:
    """The files most likely to change, best first, at most `limit`.

    Tests are left to `grounding.tests`; only a repository without other code has them ranked here. The same
    index and text give the same bytes: ties go by path.
    """
    return rank_query(index, read_issue(issue_text, title, list(frames)), limit, weights)


def rank_query(
    index: RepositoryIndex, query: Query, limit: int = 20, weights: Weights | None = None
) -> list[Candidate]:
    """`rank` for an issue already read."""
    corpus: Corpus = index.sources if len(index.sources) else index.tests
    if not len(corpus) or limit < 1:
        return []
    signals = compute_signals(corpus, index.history_of(corpus), query)
    parts = contributions(signals, weights or shipped_weights(), query.crash)
    # rounded before sorting: the last bits differ between processors, and ties then go by path
    total = np.round(np.sum(list(parts.values()), axis=0, dtype=np.float64), 5).astype(np.float32)
    odds = np.exp(total - total.max(), dtype=np.float64)
    shares = odds / odds.sum()
    return [
        explain(Asked(index, corpus, query, signals, parts), int(n), float(total[n]), float(shares[n]))
        for n in order_of(total)[:limit]
    ]
