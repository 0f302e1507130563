"""How well the reports of a cluster hold together: cosines of tf-idf vectors, average linkage. Pure."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Quality = Literal["good", "fair", "loose"]
_WORD: Final = re.compile(r"[^\W\d_][\w]{1,40}")
LOOSE: Final = 0.30  # mean similarity below which a cluster is called loose
FAIR: Final = 0.45
CUT: Final = 0.25  # groups whose mean similarity is below this are different things
GAIN: Final = 0.08  # what a split must gain in mean similarity to be worth a person's time
SAME: Final = 0.65  # clusters whose mean vectors are this similar read as one


def words(title: str, body: str) -> Counter[str]:
    """Words of a report, those of the title twice."""
    return Counter(_WORD.findall(f"{title} {title} {body[:4000]}".lower()))


def rarity(documents: Sequence[Counter[str]]) -> dict[str, float]:
    """Inverse document frequency of every word that two reports share; others say nothing about likeness."""
    counts = Counter(word for document in documents for word in document)
    total = len(documents)
    return {word: math.log(1 + total / count) for word, count in counts.items() if count > 1}


def vector(document: Counter[str], weight: dict[str, float]) -> dict[str, float]:
    """The unit tf-idf vector."""
    raw = {word: (1 + math.log(count)) * weight[word] for word, count in document.items() if word in weight}
    norm = math.sqrt(sum(value * value for value in raw.values())) or 1.0
    return {word: value / norm for word, value in raw.items()}


def similarities(vectors: Sequence[dict[str, float]]) -> F64:
    """All cosines."""
    names = {word: place for place, word in enumerate(dict.fromkeys(word for one in vectors for word in one))}
    dense = np.zeros((len(vectors), max(1, len(names))))
    for row, one in enumerate(vectors):
        for word, value in one.items():
            dense[row, names[word]] = value
    return np.asarray(dense @ dense.T, dtype=np.float64)


def mean_of_pairs(table: F64) -> float:
    """The mean over different pairs; 1 for a single report."""
    size = len(table)
    return 1.0 if size < 2 else float((table.sum() - np.trace(table)) / (size * (size - 1)))


def groups(table: F64, cut: float = CUT) -> list[list[int]]:
    """Average-linkage groups, largest first: two join while the mean similarity between them is at least ``cut``."""
    found = [[place] for place in range(len(table))]
    between = table.astype(np.float64).copy()
    np.fill_diagonal(between, -1.0)
    sizes = np.ones(len(table))
    while len(table) > 1:
        place = int(np.argmax(between))
        one, other = divmod(place, len(between))
        if between[one, other] < cut:
            break
        mixed = (between[one] * sizes[one] + between[other] * sizes[other]) / (sizes[one] + sizes[other])
        between[one], between[:, one] = mixed, mixed
        between[one, one] = -1.0
        between[other], between[:, other] = -1.0, -1.0
        sizes[one] += sizes[other]
        found[one] += found[other]
        found[other] = []
    return sorted((sorted(group) for group in found if group), key=len, reverse=True)


def quality(mean: float) -> Quality:
    """In a word."""
    return "good" if mean >= FAIR else "fair" if mean >= LOOSE else "loose"


def centres(clusters: dict[str, list[Counter[str]]], most: int = 60) -> dict[str, dict[str, float]]:
    """The mean tf-idf vector of each cluster's reports, its strongest words.

    Its length is one with the words that stand in a single report, which are left out: they are what makes reports
    differ, and without them any two would be alike that share "since the last update".
    """
    counts = Counter(word for held in clusters.values() for document in held for word in document)
    total = sum(len(held) for held in clusters.values())
    weight = {word: math.log(1 + total / count) for word, count in counts.items()}
    found: dict[str, dict[str, float]] = {}
    for name, held in clusters.items():
        mean: Counter[str] = Counter()
        for document in held:
            mean.update(vector(document, weight))
        norm = math.sqrt(sum(value * value for value in mean.values())) or 1.0
        shared = Counter({word: value for word, value in mean.items() if counts[word] > 1})
        found[name] = {word: value / norm for word, value in shared.most_common(most)}
    return found


def alike(centres: dict[str, dict[str, float]], least: float = SAME) -> list[tuple[float, str, str]]:
    """Pairs of clusters whose mean vectors have a cosine of at least ``least``, most alike first."""
    holders: dict[str, list[str]] = {}
    for name, one in centres.items():
        for word in sorted(one, key=lambda word: -one[word])[:12]:
            holders.setdefault(word, []).append(name)
    pairs: dict[tuple[str, str], float] = {}
    for names in holders.values():
        for place, first in enumerate(names[:200]):
            for second in names[place + 1 : 200]:
                if (first, second) not in pairs:
                    pairs[first, second] = _cosine(centres[first], centres[second])
    return sorted(
        ((value, *pair) for pair, value in pairs.items() if value >= least), key=lambda one: (-one[0], one[1:])
    )


def _cosine(one: dict[str, float], other: dict[str, float]) -> float:
    small, large = sorted((one, other), key=len)
    return sum(value * large.get(word, 0.0) for word, value in small.items())
