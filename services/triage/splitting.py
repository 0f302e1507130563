"""Whether a cluster's reports fall into groups that would hold together better: advice and proposals. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.triage import cohesion
from services.triage.cohesion import Quality

FIRST: Final = 6  # reports from which a cluster is looked at for a split to propose
GROWTH: Final = 1.5  # and again each time that it has grown by this
COVERED: Final = 0.8  # share of the reports that the groups of a proposal hold
SAMPLE: Final = 60  # reports looked at in one cluster
# A split is proposed for groups that have next to no words in common, or few and each of them much within itself:
# (similarity at which groups are still joined, least within each group, most between two). On the development sets
# all of the few proposals made so were right; looser rules were wrong half of the time.
_RULES: Final = ((0.05, 0.0, 1.0), (0.15, 0.3, 0.1))


class Text(msgspec.Struct, frozen=True):
    """What is compared of a report; ``mark``: the sender's own grouping."""

    id: str
    words: Counter[str]
    mark: str | None


class Judged(msgspec.Struct, frozen=True):
    """How a cluster holds together; ``groups`` (report ids, largest first) only when a split would gain."""

    cluster_id: str
    mean: float
    inside: float
    quality: Quality
    groups: list[list[str]] = []
    cohesions: list[float] = []

    @property
    def reason(self) -> str:
        """In words."""
        count = len(self.groups)
        return f"reports agree by {self.mean:.0%} on average; in {count} groups they would by {self.inside:.0%}"


def due(before: int, after: int) -> bool:
    """Whether a cluster that grew from ``before`` to ``after`` reports is worth a look: at 6, 9, 14, 21, ..."""
    return _step(after) > _step(before)


def _step(count: int) -> int:
    return 0 if count < FIRST else 1 + int(math.log(count / FIRST, GROWTH))


def judged(cluster_id: str, held: Sequence[Text], weight: dict[str, float]) -> Judged:
    """Judge a cluster by (a sample of) its reports, for advice."""
    table = alike(held, weight)
    mean = cohesion.mean_of_pairs(table)
    found = cohesion.quality(mean)
    plain = Judged(cluster_id, round(mean, 3), round(mean, 3), found)
    if found == "good":
        return plain
    parts = cohesion.groups(table)
    within = _within(table, parts)
    inside = sum(value * len(part) for value, part in zip(within, parts, strict=True)) / len(held)
    if not (2 <= len(parts) <= max(2, len(held) // 2) and inside - mean >= cohesion.GAIN):
        return plain
    groups = [[held[place].id for place in part] for part in parts]
    return Judged(cluster_id, plain.mean, round(inside, 3), found, groups, [round(value, 3) for value in within])


def proposed(
    cluster_id: str, held: Sequence[Text], weight: dict[str, float], together: Iterable[Sequence[str]] = ()
) -> Judged | None:
    """The split that a person should be asked about; None for what only an analysis should show.

    ``together``: pairs that people keep together; what they answered is not asked again.
    A single stray report is no group: it may be badly written, and whoever opens the cluster sees it anyway.
    """
    table = alike(held, weight, together)
    mean = cohesion.mean_of_pairs(table)
    for cut, least, most in _RULES:
        parts = [part for part in cohesion.groups(table, cut) if len(part) > 1]
        within = _within(table, parts)
        between = [float(table[one][:, other].mean()) for place, one in enumerate(parts) for other in parts[:place]]
        covered = sum(map(len, parts)) >= COVERED * len(held)
        if between and covered and min(within) >= least and max(between) <= most:
            inside = sum(value * len(part) for value, part in zip(within, parts, strict=True)) / sum(map(len, parts))
            groups = [[held[place].id for place in part] for part in parts]
            return Judged(cluster_id, round(mean, 3), round(inside, 3), cohesion.quality(mean), groups, within)
    return None


def alike(
    held: Sequence[Text], weight: dict[str, float], together: Iterable[Sequence[str]] = ()
) -> NDArray[np.float64]:
    """How alike the reports are, pair by pair: what people said counts most, then the sender's grouping, then words."""
    table = cohesion.similarities([cohesion.vector(text.words, weight) for text in held])
    known = _components([text.id for text in held], together)
    for one, first in enumerate(held):
        for other, second in enumerate(held):
            if known[first.id] == known[second.id] or (first.mark and first.mark == second.mark):
                table[one, other] = 1.0
    return table


def _within(table: NDArray[np.float64], parts: Sequence[Sequence[int]]) -> list[float]:
    return [cohesion.mean_of_pairs(table[np.ix_(part, part)]) for part in parts]


def _components(ids: Sequence[str], pairs: Iterable[Sequence[str]]) -> dict[str, str]:
    """Each id's component under the pairs, named by one of its members."""
    parent = {id_: id_ for id_ in ids}

    def root(id_: str) -> str:
        while parent.setdefault(id_, id_) != id_:
            id_ = parent[id_]
        return id_

    for a, b in pairs:
        parent[root(a)] = root(b)
    return {id_: root(id_) for id_ in ids}
