"""Vectors that a service gave: what they change, what they never change, and what a restart keeps."""

import numpy as np
import pytest
from numpy.typing import NDArray

from services.triage.engine import Config, Engine, Report, text_to_embed
from tests.unit.triage_engine.streams import stream

Vector = NDArray[np.float32]
ASKED = Config(embeddings="one")
DIMS = 48


def vectors(reports: list[Report], dims: int = DIMS) -> dict[str, Vector]:
    """Reports of one group (the part of an id before the dash) are given near vectors, all others far ones."""
    found = {}
    for place, report in enumerate(reports):
        group = np.random.default_rng(int(report.id.split("-")[0])).normal(size=dims)
        found[report.id] = (group + 0.25 * np.random.default_rng(1_000 + place).normal(size=dims)).astype(np.float32)
    return found


def placed(engine: Engine, reports: list[Report], given: dict[str, Vector]) -> list[tuple[str, float]]:
    """Cluster and score of each report."""
    return [(found.cluster_id, found.score) for found in (engine.assign(r, given.get(r.id)) for r in reports)]


def test_vectors_change_scores_only_where_they_are_asked_for() -> None:
    reports = stream()
    given = vectors(reports)
    without = placed(Engine(), reports, {})
    assert placed(Engine(), reports, given) == without
    assert placed(Engine(ASKED), reports, {}) == without
    assert placed(Engine(ASKED), reports, given) != without


def test_the_very_vector_speaks_for_a_report_and_a_far_one_against_it() -> None:
    reports = stream()
    given = vectors(reports)
    last = max(range(len(reports)), key=lambda n: (reports[n].id.split("-")[1] != "0", n))
    query, partner = reports[last], next(r for r in reports if r.id.split("-")[0] == reports[last].id.split("-")[0])

    def best(vector: Vector) -> float:
        engine = Engine(ASKED)
        placed(engine, reports[:last], given)
        prepared = engine.index.prepare(query, vector)
        return engine._score(prepared).score.get(engine.book.docs[partner.id], 0.0)

    assert best(given[partner.id]) > best(-given[partner.id])


def test_a_restart_from_memos_goes_on_with_the_vectors() -> None:
    reports = stream()
    given = vectors(reports)
    half = len(reports) // 2
    never = Engine(ASKED)
    rows = []
    for report in reports[:half]:
        cluster = never.assign(report, given[report.id]).cluster_id
        rows.append((report, cluster, never.last_memo()))
    again = Engine.restore(rows, config=ASKED)
    assert placed(again, reports[half:], given) == placed(never, reports[half:], given)


def test_vectors_of_another_model_are_not_compared_after_a_restart() -> None:
    reports = stream()
    given = vectors(reports)
    half = len(reports) // 2
    never, bare = Engine(ASKED), Engine(Config(embeddings="two"))
    rows, plain = [], []
    for report in reports[:half]:
        cluster = never.assign(report, given[report.id]).cluster_id
        rows.append((report, cluster, never.last_memo()))
        bare.assign(report)
        plain.append((report, cluster, bare.last_memo()))
    other = Engine.restore(rows, config=Config(embeddings="two"))
    assert placed(other, reports[half:], given) == placed(
        Engine.restore(plain, config=Config(embeddings="two")), reports[half:], given
    )


def test_a_vector_of_another_length_and_a_broken_one_are_as_none() -> None:
    reports = stream()
    given = vectors(reports)
    some = {**given, reports[5].id: np.ones(DIMS + 1, np.float32), reports[7].id: np.full(DIMS, np.nan, np.float32)}
    some |= {reports[8].id: np.zeros(DIMS, np.float32), reports[9].id: np.full(DIMS, np.inf, np.float32)}
    none = {name: vector for name, vector in given.items() if name not in {reports[n].id for n in (5, 7, 8, 9)}}
    assert placed(Engine(ASKED), reports, some) == placed(Engine(ASKED), reports, none)


def test_long_vectors_count_with_their_first_512_numbers() -> None:
    reports = stream()
    long = vectors(reports, 700)
    cut = {name: vector[:512] for name, vector in long.items()}
    assert placed(Engine(ASKED), reports, long) == placed(Engine(ASKED), reports, cut)


@pytest.mark.parametrize(
    ("report", "text"),
    [
        (Report(id="1", title="Checkout\nfails ", body="With two\n coupons."), "Checkout fails. With two coupons"),
        (Report(id="2", title="KeyError: 'id'", body="", stacktrace='  File "a.py", line 1, in f'), ""),
        (Report(id="3", title="", body=""), ""),
    ],
)
def test_the_text_to_embed_is_title_and_prose_and_nothing_of_a_bare_trace(report: Report, text: str) -> None:
    assert text_to_embed(report) == text


def test_the_text_to_embed_is_short() -> None:
    assert len(text_to_embed(Report(id="1", title="a", body="word " * 5_000))) <= 1_500
