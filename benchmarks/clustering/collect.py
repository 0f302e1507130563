"""Pair features of labelled streams, for training: replays a set through the engine's index.

`without_dates` hides some dates, or a source without any would look rich in duplicates to the model.
"""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.triage.engine import text_to_embed
from services.triage.engine.features import COUNT, MISSING, NAMES
from services.triage.engine.index import Index
from services.triage.engine.offline import report_of
from services.triage.engine.vectors import load_table

BENCH = Path(os.environ.get("CLUSTERING_BENCH", "../shared/bench/clustering"))
SETS = ("xamarin", "xnat", "apache", "crash", "trace", "d4j", "banking")
LEADING = 4
# One report in so many is seen without its embedding, as where a service did not answer.
UNANSWERED = 10
EXTRA_MEMBERS = 5


class Pairs(msgspec.Struct):
    """x: features; y: same label; query, candidate: positions in the stream; regime of the query."""

    x: NDArray[np.float32]
    y: NDArray[np.bool_]
    query: NDArray[np.int64]
    candidate: NDArray[np.int64]
    found: NDArray[np.bool_]
    regime: NDArray[np.int8]


def rows(name: str) -> list[dict[str, Any]]:
    """One labelled set in arrival order."""
    with (BENCH / f"{name}_dev.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def collect(items: list[dict[str, Any]], lexical: bool = False, vectors: NDArray[np.float32] | None = None) -> Pairs:
    """Features of every arrival against its candidates, and against members of the leading candidates'
    groups that retrieval did not bring: the engine asks for those too."""
    index = Index(None if lexical else load_table())
    members: dict[str, list[int]] = {}
    labels: list[str] = []
    parts: list[tuple[Any, ...]] = []
    for place, row in enumerate(items):
        report = report_of(row, place + 1)
        silent = vectors is None or place % UNANSWERED == 0 or not text_to_embed(report)
        prepared = index.prepare(report, None if vectors is None or silent else vectors[place])
        docs = index.candidates(prepared)
        context = None
        mine = members.setdefault(row["label"], [])
        if len(docs):
            x, context = index.compare(prepared, docs)
            extra = _unfound(x[:, NAMES.index("base")], docs, labels, members)
            if len(extra):
                x = np.concatenate([x, index.compare(prepared, extra, context)[0]])
            every = np.concatenate([docs, extra])
            index.align(prepared, every, x)
            parts.append((
                x, np.isin(every, mine), np.full(len(every), place), every,
                np.arange(len(every)) < len(docs), np.full(len(every), prepared.query.regime),
            ))  # fmt: skip
        mine.append(index.add(index.entry(prepared, context)))
        labels.append(row["label"])
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    assert columns[0].shape[1] == COUNT
    return Pairs(columns[0], columns[1], columns[2], columns[3], columns[4], columns[5].astype(np.int8))


def _unfound(
    base: NDArray[np.float32], docs: NDArray[np.int64], labels: list[str], members: dict[str, list[int]]
) -> NDArray[np.int64]:
    known = set(docs.tolist())
    leading = dict.fromkeys(labels[doc] for doc in docs[np.argsort(-base, kind="stable")[:LEADING]])
    more = [[doc for doc in members[label] if doc not in known][-EXTRA_MEMBERS:] for label in leading]
    return np.array(sorted({doc for group in more for doc in group}), dtype=np.int64)


def without_dates(pairs: Pairs, share: float, seed: int = 7) -> NDArray[np.float32]:
    """The features as if that share of the reports had come without a date."""
    reports = int(max(pairs.query.max(), pairs.candidate.max())) + 1
    gone = np.random.default_rng(seed).random(reports) < share
    x = pairs.x.copy()
    rows_hit = gone[pairs.query] | gone[pairs.candidate]
    for name in ("days", "hours", "gap"):
        x[rows_hit, NAMES.index(name)] = MISSING
    x[rows_hit, NAMES.index("dated")] = 0.0
    return x
