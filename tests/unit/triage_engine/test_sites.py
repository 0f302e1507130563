"""One crash told by an error tracker and by people is one cluster; names alone are not enough."""

import pytest

from services.triage.engine import Engine, Report

TRACE = "Stacktrace:\n  shop/checkout.py:12 in place_order\n  shop/pricing.py:8 in parse_price"
EVENT = Report(id="s1", source="sentry", title="InvalidOperation: bad literal", stacktrace=TRACE, fingerprint="9")
TYPED = Report(
    id="m1", source="manual", title="Checkout fails", body="decimal.InvalidOperation in parse_price for 1,299"
)
OTHER_ERROR = Report(id="m2", source="manual", title="Slow", body="parse_price takes ages, TimeoutError shown")
OTHER_PLACE = Report(id="m3", source="manual", title="Import", body="InvalidOperation while reading read_rows")


@pytest.mark.parametrize("order", [(EVENT, TYPED), (TYPED, EVENT)], ids=["tracker first", "person first"])
def test_a_typed_report_of_the_same_crash_joins_whichever_comes_first(order: tuple[Report, Report]) -> None:
    engine = Engine()
    first, second = (engine.assign(report) for report in order)
    assert second.cluster_id == first.cluster_id
    assert "InvalidOperation in parse_price" in second.reasons[0].detail


@pytest.mark.parametrize("other", [OTHER_ERROR, OTHER_PLACE], ids=["another error", "another function"])
def test_one_shared_name_does_not_join(other: Report) -> None:
    engine = Engine()
    assert engine.assign(EVENT).cluster_id != engine.assign(other).cluster_id


def test_reports_of_one_source_are_left_to_the_learned_score() -> None:
    engine = Engine()
    first = engine.assign(EVENT)
    twin = Report(id="s2", source="sentry", title="Deadlock", body="InvalidOperation parse_price", fingerprint="10")
    assert engine.assign(twin).cluster_id != first.cluster_id


def test_a_site_of_two_clusters_joins_neither() -> None:
    engine = Engine()
    engine.assign(EVENT)
    engine.cannot_link("s1", "s2")
    engine.assign(Report(id="s2", source="sentry", title=EVENT.title, stacktrace=TRACE, fingerprint="10"))
    assert engine.assign(TYPED).new


def test_people_who_separated_them_are_obeyed() -> None:
    engine = Engine()
    engine.assign(EVENT)
    engine.cannot_link("s1", "m1")
    assert engine.assign(TYPED).new


def test_a_restored_engine_knows_the_sites() -> None:
    engine = Engine()
    cluster = engine.assign(EVENT).cluster_id
    assert Engine.restore([(EVENT, cluster)]).assign(TYPED).cluster_id == cluster
