"""The engine as triage uses it: arrivals, suggestions, repeats, restarts."""

import msgspec
import pytest

from services.triage.engine import Config, Constraints, Engine, Report
from services.triage.engine.scorer import load_models
from tests.unit.triage_engine.streams import crash, stream


def run(engine: Engine, reports: list[Report]) -> list[tuple[str, str]]:
    return [(r.id, engine.assign(r).cluster_id) for r in reports]


def test_the_same_story_told_three_times_is_one_cluster() -> None:
    engine = Engine()
    run(engine, stream())
    for topic in range(6):
        found = {engine.cluster_of(f"{topic}-{turn}") for turn in range(3)}
        assert len(found) == 1, topic
    assert len(engine.cluster_ids()) == 6


def test_events_with_only_a_trace_meet_by_their_frames() -> None:
    engine = Engine()
    for number in range(4):
        for module in ("Archive", "Billing", "Tokens"):
            engine.assign(crash(number, module, f"{module}FormatException"))
    assert sorted(len(engine.members(name)) for name in engine.cluster_ids()) == [4, 4, 4]


def test_words_alone_are_enough_when_there_are_no_vectors() -> None:
    engine = Engine(Config(vectors=False))
    assert engine.mode == "lexical"
    run(engine, stream())
    together = sum(engine.cluster_of(f"{t}-0") == engine.cluster_of(f"{t}-1") for t in range(6))
    assert together >= 4


def test_a_join_tells_its_reasons_in_words_of_the_report() -> None:
    engine = Engine()
    reports = stream()
    placed = [engine.assign(r) for r in reports]
    joined = next(p for p in placed if p.item_id == "4-1")
    assert not joined.new
    assert 0.0 < joined.score <= 1.0
    told = " ".join(reason.detail for reason in joined.reasons)
    assert "PRN_0042" in told
    assert joined.candidates[0] == "4-0"


def test_a_report_that_stays_alone_is_offered_at_most_five_earlier_ones() -> None:
    engine = Engine(Config(join=(2.0, 2.0, 2.0), young=(2.0, 2.0, 2.0)))
    reports = stream(3)
    placed = [engine.assign(r) for r in reports]
    assert all(p.new for p in placed)
    last = placed[-1]
    assert 1 <= len(last.suggestions) <= 5
    assert last.suggestions[0].item_id in {"5-0", "5-1"}
    assert last.suggestions[0].reasons
    seen = {r.id for r in reports[:-1]}
    assert {s.item_id for s in last.suggestions} <= seen


def test_a_report_seen_before_changes_nothing() -> None:
    engine = Engine()
    first = engine.assign(stream()[0])
    again = engine.assign(stream()[0])
    assert again.cluster_id == first.cluster_id
    assert not again.new
    assert len(engine) == 1


def test_reports_with_the_senders_own_key_are_together_whatever_they_say() -> None:
    engine = Engine()
    one = Report(id="a", source="sentry", title="Alpha", body="one thing", fingerprint="ISSUE-1")
    two = Report(id="b", source="sentry", title="Omega", body="something else entirely", fingerprint="ISSUE-1")
    other = Report(id="c", source="splunk", title="Sigma", body="third", fingerprint="ISSUE-1")
    engine.assign(one)
    placed = engine.assign(two)
    assert placed.cluster_id == engine.cluster_of("a")
    assert placed.reasons[0].kind == "fingerprint"
    assert engine.assign(other).new


def test_an_event_that_says_nothing_new_to_its_group_is_placed_without_alternatives() -> None:
    engine = Engine()
    run(engine, [crash(n, "Cart", "KeyError") for n in (0, 1)])
    first, second = (msgspec.structs.replace(crash(n, "Cart", "KeyError"), fingerprint="CART-1") for n in (2, 3))
    assert "Cart-1" in engine.assign(first).candidates
    placed = engine.assign(second)
    assert placed.cluster_id == engine.cluster_of(first.id)
    assert placed.candidates == (first.id,)
    assert placed.suggestions == ()


def test_the_same_order_gives_the_same_clusters_and_scores() -> None:
    runs = []
    for _ in range(2):
        engine = Engine()
        runs.append([engine.assign(r) for r in stream()])
    assert runs[0] == runs[1]


@pytest.mark.parametrize("memos", [True, False])
def test_a_restarted_engine_goes_on_like_one_that_never_stopped(memos: bool) -> None:
    reports = stream(4) + [crash(n, m, "FormatException") for n in range(3) for m in ("Archive", "Billing")]
    issues = [crash(n, "Cart", "KeyError") for n in range(6)]  # of one issue, word for word but for a number
    reports += [msgspec.structs.replace(event, fingerprint="CART-1") for event in issues]
    reports = sorted(reports, key=lambda r: r.created_at.timestamp() if r.created_at else 0.0)
    half = len(reports) // 2
    whole = Engine()
    stored = []
    for report in reports[:half]:
        whole.assign(report)
        stored.append((report, whole.last_memo()))
    items = [(r, whole.cluster_of(r.id), memo) if memos else (r, whole.cluster_of(r.id)) for r, memo in stored]
    back = Engine.restore(items, whole.constraints())
    assert [whole.assign(r) for r in reports[half:]] == [back.assign(r) for r in reports[half:]]


def test_a_damaged_memo_is_read_anew() -> None:
    reports = stream()
    whole = Engine()
    run(whole, reports[:9])
    items = [(r, whole.cluster_of(r.id), b"not a memo") for r in reports[:9]]
    back = Engine.restore(items, Constraints())
    assert whole.assign(reports[9]) == back.assign(reports[9])


def test_a_forgotten_report_is_never_offered_again() -> None:
    engine = Engine()
    reports = stream()
    run(engine, reports[:6])
    engine.forget("4-0")
    placed = engine.assign(next(r for r in reports if r.id == "4-1"))
    assert "4-0" not in placed.candidates
    assert placed.new
    assert len(engine) == 6


@pytest.mark.parametrize("mode", ["dense", "lexical", "full"])
def test_the_shipped_weights_fit_the_features(mode: str) -> None:
    from services.triage.engine.features import COUNT, MEANING

    text, trace, short = load_models(mode)
    for model, columns in ((text, COUNT), (trace, MEANING), (short, COUNT)):
        used = columns if mode == "full" else MEANING
        assert model.coef.shape == model.mean.shape == (used,)
        assert int(model.trees.feature.max()) < used
        assert (model.nets is None) == (not model.shares[2])
        assert model.nets is None or model.nets.weights[0].shape[1] == used
        assert sum(model.shares) == pytest.approx(1.0)


def test_strict_clustering_asks_for_more_at_every_age_with_and_without_an_embedding() -> None:
    for regime in range(3):
        for stored in (0, 60, 300, 1_000, 100_000):
            for embedded in (False, True):
                usual = Config().threshold(regime, stored, embedded)
                assert Config.strict().threshold(regime, stored, embedded) > usual


def test_the_threshold_rises_with_the_first_thousand_reports_and_then_stays() -> None:
    config = Config()
    for regime in range(3):
        course = [config.threshold(regime, stored) for stored in (0, 60, 200, 600, 1_000, 100_000)]
        assert course == sorted(course)
        assert course[0] == course[1] == config.young[regime]
        assert course[-1] == course[-2] == pytest.approx(config.join[regime])
