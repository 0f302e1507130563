"""What people say is obeyed for ever."""

import pytest

from services.triage.engine import Config, Engine, UnknownId
from tests.unit.triage_engine.streams import stream


def engine_with(turns: int) -> Engine:
    engine = Engine()
    for report in stream(turns):
        engine.assign(report)
    return engine


def test_a_report_moved_out_is_not_brought_back_by_its_look_alikes() -> None:
    engine = engine_with(2)
    old = engine.cluster_of("4-0")
    engine.move("4-1", engine.cluster_of("2-0"))
    assert engine.cluster_of("4-1") == engine.cluster_of("2-0")
    for report in stream(3)[12:]:
        engine.assign(report)
    assert engine.cluster_of("4-1") != old
    assert engine.cluster_of("4-0") != engine.cluster_of("2-0")


def test_a_must_link_told_before_the_report_arrives_places_it() -> None:
    engine = engine_with(1)
    engine.must_link("1-0", "late")
    report = stream(1)[4]
    placed = engine.assign(type(report)(id="late", title=report.title, body=report.body))
    assert placed.cluster_id == engine.cluster_of("1-0")
    assert placed.reasons[0].kind == "must_link"


def test_a_cannot_link_keeps_a_twin_out() -> None:
    engine = engine_with(1)
    engine.cannot_link("4-0", "4-1")
    placed = engine.assign(stream(2)[10])
    assert placed.item_id == "4-1"
    assert placed.cluster_id != engine.cluster_of("4-0")
    assert engine.cluster_of("4-0") not in {s.cluster_id for s in placed.suggestions}


def test_a_split_gives_a_new_cluster_and_constraints_to_store() -> None:
    engine = engine_with(3)
    cluster = engine.cluster_of("4-0")
    done = engine.split(cluster, ["4-1", "4-2"])
    assert done.cluster_id != cluster
    assert engine.members(done.cluster_id) == ["4-1", "4-2"]
    assert ("4-1", "4-2") in done.must
    assert ("4-1", "4-0") in done.cannot


def test_a_split_of_none_or_all_is_refused() -> None:
    engine = engine_with(2)
    cluster = engine.cluster_of("4-0")
    with pytest.raises(ValueError, match="at least one"):
        engine.split(cluster, ["4-0", "4-1"])
    with pytest.raises(UnknownId):
        engine.split(cluster, ["0-0"])


def test_a_merge_overrules_an_earlier_split() -> None:
    engine = engine_with(2)
    first = engine.cluster_of("4-0")
    second = engine.split(first, ["4-1"]).cluster_id
    done = engine.merge(first, [second])
    assert engine.cluster_of("4-1") == first
    assert done.dropped
    assert not engine.constraints().cannot


def test_constraints_survive_a_restart() -> None:
    engine = engine_with(2)
    engine.move("4-1", engine.cluster_of("2-0"))
    items = [(r, engine.cluster_of(r.id)) for r in stream(2)]
    back = Engine.restore(items, engine.constraints(), touched=engine.cluster_ids())
    assert back.constraints() == engine.constraints()
    rest = stream(3)[12:]
    assert [back.assign(r).cluster_id for r in rest] == [engine.assign(r).cluster_id for r in rest]


def test_late_evidence_for_a_merge_is_a_proposal_and_moves_nothing() -> None:
    engine = Engine(Config(join=(2.0, 2.0, 2.0), young=(2.0, 2.0, 2.0)))
    reports = [r for r in stream(2) if r.id in {"4-0", "4-1"}]
    for report in reports:
        engine.assign(report)
    assert engine.cluster_of("4-0") != engine.cluster_of("4-1")
    third = next(r for r in stream(3) if r.id == "4-2")
    eager = Config(join=(0.05, 0.05, 0.05), young=(0.05, 0.05, 0.05), propose=0.05)
    late = Engine.restore([(r, engine.cluster_of(r.id)) for r in reports], config=eager)
    late.assign(third)
    found = late.proposals()
    assert [(p.into, p.other) for p in found] == [(engine.cluster_of("4-0"), engine.cluster_of("4-1"))]
    assert late.cluster_of("4-0") != late.cluster_of("4-1")
    late.merge(found[0].into, [found[0].other])
    assert late.proposals() == []


def test_clusters_people_keep_apart_are_not_proposed() -> None:
    engine = engine_with(2)
    engine.split(engine.cluster_of("4-0"), ["4-1"])
    for report in stream(3)[12:]:
        engine.assign(report)
    assert engine.cluster_of("4-0") != engine.cluster_of("4-1")
    assert engine.proposals() == []


def test_an_unknown_id_is_an_error_of_its_own() -> None:
    engine = engine_with(1)
    with pytest.raises(UnknownId):
        engine.move("nobody", engine.cluster_of("0-0"))
    with pytest.raises(UnknownId):
        engine.touch("no cluster")
