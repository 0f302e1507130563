"""How well an arriving report fits earlier reports and their clusters."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.triage.engine import features as f
from services.triage.engine.analyse import SHORT, TEXT
from services.triage.engine.clusters import Clusters
from services.triage.engine.grow import F32, I64
from services.triage.engine.index import Index, Prepared
from services.triage.engine.scorer import Model

REGIME_C = f.NAMES.index("regime_c")
KEPT = 32  # candidates looked at closely
MEAN_SHARE = 0.4
MEMBERS_ASKED = 12
CLUSTERS_ASKED = 3
ASKED_FROM = 0.05
READ_BACK = 64
NOTHING = 0.002
SAME_TRACE = 0.5


class Fit(msgspec.Struct, frozen=True):
    """A cluster's mixed score for the arrival, and its best member (document number)."""

    score: float
    cluster: str
    doc: int


class Scored(msgspec.Struct):
    """Scores of one arrival: per document, its features, and clusters, best first."""

    score: dict[int, float]
    row: dict[int, F32]
    clusters: list[Fit]
    context: f.Context | None


def score(index: Index, clusters: Clusters, models: Sequence[Model], prepared: Prepared, young: bool) -> Scored:
    """Compares an arrival with its candidates, then with further members of the leading clusters.

    In a young stream, where frames have no frequencies yet, a report with the very same trace scores SAME_TRACE at
    least; later the models know better how much a trace says here.
    """
    docs = index.candidates(prepared)
    if not len(docs):
        return Scored({}, {}, [], None)
    x, context = index.compare(prepared, docs)
    closely = np.argsort(-_first(models, x, prepared.query.regime), kind="stable")[:KEPT]
    docs, x = docs[closely], x[closely]
    index.align(prepared, docs, x)
    scores = dict(zip(docs.tolist(), _final(models, x, prepared.query.regime), strict=True))
    row = dict(zip(docs.tolist(), x, strict=True))
    if young:
        for doc in docs[index.same_trace(prepared, docs)].tolist():
            scores[doc] = max(scores[doc], SAME_TRACE)
    more = _unfound(clusters, scores)
    if len(more):
        x, _ = index.compare(prepared, more, context)
        index.align(prepared, more, x)
        scores.update(zip(more.tolist(), _final(models, x, prepared.query.regime), strict=True))
        row.update(zip(more.tolist(), x, strict=True))
    return Scored(scores, row, mixed(clusters, scores), context)


def _first(models: Sequence[Model], x: F32, regime: int) -> F32:
    found = models[regime].first(x)
    full = _as_report(x, regime)
    if full.any():
        found[full] = models[TEXT].first(x[full])
    return found


def _final(models: Sequence[Model], x: F32, regime: int) -> list[float]:
    """A short message is compared with a full report as reports are."""
    full = _as_report(x, regime)
    if not full.any():
        return list(map(float, models[regime].score(x)))
    found = np.empty(len(x), dtype=np.float32)
    found[full] = models[TEXT].score(x[full])
    if not full.all():
        found[~full] = models[regime].score(x[~full])
    return list(map(float, found))


def _as_report(x: F32, regime: int) -> NDArray[np.bool_]:
    return np.asarray((x[:, REGIME_C] != SHORT) & (regime == SHORT))


def _unfound(clusters: Clusters, scores: Mapping[int, float]) -> I64:
    """Members of the most promising clusters that retrieval did not bring."""
    best: dict[str, float] = {}
    for doc, value in scores.items():
        if value > ASKED_FROM:
            cluster = clusters.of[doc]
            best[cluster] = max(best.get(cluster, 0.0), value)
    more: list[int] = []
    for cluster in sorted(best, key=lambda name: (-best[name], name))[:CLUSTERS_ASKED]:
        members = clusters.members[cluster][-READ_BACK:]
        rest = [doc for doc in members if doc not in scores]
        asked = MEMBERS_ASKED - (len(members) - len(rest))
        if asked > 0:
            more += rest[-asked:]
    return np.array(sorted(more), dtype=np.int64)


def mixed(clusters: Clusters, scores: Mapping[int, float]) -> list[Fit]:
    """The best member's score and the mean over members, mixed; members nobody asked count as zero."""
    members: dict[str, list[int]] = {}
    for doc, value in scores.items():
        if value >= NOTHING:
            members.setdefault(clusters.of[doc], []).append(doc)
    found = []
    for cluster, docs in members.items():
        best = max(docs, key=lambda doc: (scores[doc], doc))
        size = min(len(clusters.members[cluster]), max(MEMBERS_ASKED, len(docs)))
        mean = sum(scores[doc] for doc in docs) / size
        found.append(Fit((1 - MEAN_SHARE) * scores[best] + MEAN_SHARE * mean, cluster, best))
    return sorted(found, key=lambda fit: (-fit.score, -fit.doc))
