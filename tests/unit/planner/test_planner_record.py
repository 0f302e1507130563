"""Rules of a plan's record: versions, edits, approval, outcomes."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from schemas.errors import Failure
from schemas.plans import Plan, PlanRecord, PlanRequest, Stale
from services.planner import model
from services.planner.differences import difference, unified
from services.planner.editing import BadEdit, read_changes
from services.planner.merging import bases_in, merged, missing_bases
from tests.unit.planner.plans import NOW, plan, request

LATER = NOW + timedelta(hours=1)
FAILURE = Failure(kind="model_unavailable", reason="The model is down.", action="Start it.")


def generated(record: PlanRecord | None, name: str = "r1", **values: Any) -> PlanRecord:
    made = model.planned(record, request(name), plan(**values), {}, NOW)
    assert made is not None
    return made


def edited(record: PlanRecord, name: str, changes: dict[str, Any], version: int | None = None) -> PlanRecord:
    asked = request(name, action="edit", expected_version=version, requested_by="ada")
    made = model.edited(record, asked, changes, NOW)
    assert made is not None
    return made


def checked(record: PlanRecord, asked: PlanRequest, found: model.Finding, now: datetime) -> PlanRecord:
    made = model.checked(record, asked, found, now)
    assert made is not None
    return made


def current(record: PlanRecord) -> Plan:
    assert record.current is not None
    return record.current


def test_the_first_plan_is_version_one_by_the_planner() -> None:
    record = generated(None)
    assert (current(record).version, current(record).author, current(record).approved_by) == (1, "planner", None)
    assert record.outcomes[0].progress == "version 1: first plan"


def test_a_settled_request_changes_nothing_again() -> None:
    record = generated(None)
    assert model.planned(record, request("r1"), plan(title="other"), {}, NOW) is None
    assert model.failed(record, request("r1"), FAILURE, NOW) is None
    assert model.progressed(record, request("r1"), "again", NOW) is None
    assert model.edited(record, request("r1", action="edit"), {"title": "x"}, NOW) is None
    assert model.approved(record, request("r1", action="approve"), None, NOW) is None


def test_a_failure_is_an_outcome_and_leaves_the_plan_alone() -> None:
    record = generated(None)
    after = model.failed(record, request("r2"), FAILURE, NOW)
    assert after is not None
    assert after.current == record.current
    assert after.outcomes[-1].failure == FAILURE


def test_progress_of_a_request_replaces_its_earlier_progress() -> None:
    record = model.progressed(None, request("r1"), "reading", NOW)
    record = model.progressed(record, request("r1"), "asking", NOW)
    assert record is not None
    assert [(o.status, o.progress) for o in record.outcomes] == [("pending", "asking")]


def test_the_last_twenty_outcomes_are_kept_and_pending_ones_longer() -> None:
    record = model.progressed(None, request("slow"), "asking", NOW)
    for n in range(30):
        record = generated(record, f"r{n}")
    assert record is not None
    assert len(record.outcomes) == model.KEPT_OUTCOMES
    assert model.outcome_of(record, "slow") is not None
    assert model.outcome_of(record, "r29") is not None
    assert model.outcome_of(record, "r0") is None


def test_an_edit_writes_its_fields_and_remembers_them() -> None:
    record = edited(generated(None), "e1", {"title": "Commas", "steps": ["One."]}, 1)
    assert (current(record).version, current(record).edited_fields) == (2, ["steps", "title"])
    assert (current(record).author, current(record).title) == ("ada", "Commas")


def test_an_edit_that_changes_nothing_makes_no_version_and_keeps_the_approval() -> None:
    record = model.approved(generated(None), request("a1", action="approve", requested_by="grace"), None, NOW)
    assert record is not None
    same = edited(record, "e1", {"title": current(record).title})
    assert (current(same).version, current(same).approved_by) == (1, "grace")
    assert model.outcome_of(same, "e1") is not None


def test_an_edit_after_approval_clears_it_and_so_does_a_new_plan() -> None:
    record = model.approved(generated(None), request("a1", action="approve", requested_by="grace"), None, NOW)
    assert record is not None
    assert current(record).approved_by == "grace"
    assert current(edited(record, "e1", {"title": "Other"})).approved_at is None
    assert current(generated(record, "r2", title="New")).approved_by is None


@pytest.mark.parametrize("action", ["edit", "approve"])
def test_a_request_for_another_version_is_a_conflict_that_changes_nothing(action: str) -> None:
    record = generated(generated(None), "r2")
    asked = request("late", action=action, expected_version=1)
    after = (
        model.edited(record, asked, {"title": "x"}, NOW)
        if action == "edit"
        else model.approved(record, asked, None, NOW)
    )
    assert after is not None
    assert after.current == record.current
    assert (after.outcomes[-1].status, after.outcomes[-1].version) == ("conflict", 2)


def test_an_edit_without_a_plan_fails_with_what_to_do() -> None:
    after = model.edited(None, request("e1", action="edit"), {"title": "x"}, NOW)
    assert after is not None
    assert after.current is None
    assert after.outcomes[0].failure is not None
    assert after.outcomes[0].failure.action


def test_regeneration_keeps_an_edit_and_shows_a_proposal_that_is_new() -> None:
    record = edited(generated(None, steps=["A"]), "e1", {"steps": ["Mine"]})
    quiet = model.planned(record, request("r2"), plan(steps=["A"]), {"steps": ["A"]}, NOW)
    assert quiet is not None
    assert (current(quiet).steps, current(quiet).conflicts) == (["Mine"], [])
    loud = model.planned(record, request("r3"), plan(steps=["B"]), {"steps": ["A"]}, NOW)
    assert loud is not None
    assert current(loud).steps == ["Mine"]
    assert "B" in current(loud).conflicts[0]
    assert current(edited(loud, "e2", {"steps": ["Both"]})).conflicts == []


def test_a_field_given_back_is_the_planners_again() -> None:
    record = edited(generated(None, steps=["A"]), "e1", {"steps": ["Mine"]})
    back = edited(record, "e2", {"edited_fields": []})
    assert current(back).edited_fields == []
    assert current(generated(back, "r2", steps=["B"])).steps == ["B"]


def test_bases_are_found_in_the_newest_version_the_planner_wrote() -> None:
    newest = plan(version=3, steps=["Mine"], title="T", edited_fields=["steps", "title"])
    wanted = missing_bases(newest, {})
    found = bases_in(plan(version=2, steps=["P2"], title="T", edited_fields=["title"]), wanted)
    assert found == {"steps": ["P2"]}
    assert missing_bases(newest, found) == ["title"]
    assert merged(None, plan(), {}).edited_fields == []


def test_an_archived_version_gains_an_approval_and_never_loses_one() -> None:
    bare, approved = plan(), structs.replace(plan(), approved_by="grace", approved_at=NOW)
    assert model.kept_version(None, bare) == bare
    assert model.kept_version(bare, approved) == approved
    assert model.kept_version(approved, bare) is None


def test_a_difference_names_fields_and_lines() -> None:
    old, new = plan(steps=["A", "B"]), plan(version=2, steps=["A", "C"], test_command=None)
    changes = {c.field: c for c in difference(old, new)}
    assert set(changes) == {"steps", "test_command"}
    assert (changes["steps"].removed, changes["steps"].added) == (["B"], ["C"])
    assert "+C" in unified(old, new)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "names no field"),
        ({"version": 9}, "version cannot be edited"),
        ({"approved_by": "me"}, "approved_by cannot be edited"),
        ({"steps": "text"}, "steps"),
        ({"steps": [1]}, "steps"),
        ({"hypotheses": [{"confidence": 1}]}, "hypotheses"),
        ({"candidate_files": [{"path": "/etc/passwd"}]}, "candidate_files"),
        ({"candidate_files": [{"path": "a/../../b"}]}, "candidate_files"),
        ({"title": "  "}, "title"),
        ({"steps": ["x"] * 201}, "steps"),
        ({"description": "x" * 300_000}, "KiB"),
        ({"edited_fields": ["version"]}, "edited_fields"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused_by_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadEdit, match=said):
        read_changes(changes)


Step = st.tuples(st.sampled_from(["generate", "edit", "approve", "fail"]), st.integers(0, 6), st.integers(0, 4))


@given(st.lists(Step, max_size=40))
def test_versions_only_grow_and_every_request_settles_once_whatever_is_redelivered(
    steps: list[tuple[str, int, int]],
) -> None:
    record: PlanRecord | None = None
    settled: dict[str, Any] = {}
    version = 0
    for number, (action, which, expected) in enumerate(steps):
        name = f"{action}{which}"
        now = NOW + timedelta(seconds=number)
        asked = request(name, action="generate" if action == "fail" else action, expected_version=expected or None)
        before = record
        match action:
            case "generate":
                after = model.planned(record, asked, plan(title=f"t{number}"), {}, now)
            case "edit":
                after = model.edited(record, asked, {"title": f"e{number}"}, now)
            case "approve":
                after = model.approved(record, asked, None, now)
            case _:
                after = model.failed(record, asked, FAILURE, now)
        if name in settled:
            assert after is None
            continue
        assert after is not None
        outcome = model.outcome_of(after, name)
        assert outcome is not None
        settled[name] = outcome.status
        if outcome.status != "done":
            assert after.current == (before.current if before else None)
        record = after
        assert (record.current.version if record.current else 0) in (version, version + 1)
        version = record.current.version if record.current else 0
        if action == "edit" and outcome.status == "done":
            assert record.current is not None
            assert record.current.approved_by is None


def test_each_version_says_what_it_changed_and_the_first_changes_nothing() -> None:
    first = generated(None)
    second = edited(first, "e1", {"title": "Commas", "steps": ["One.", "Two."]}, 1)
    assert (current(first).changed_fields, current(first).diff) == ([], "")
    assert current(second).changed_fields == ["title", "steps"]
    assert "+Commas" in current(second).diff.splitlines()
    assert "+++ v2/steps" in current(second).diff


def test_a_long_difference_is_shortened_and_says_so() -> None:
    record = edited(generated(None), "e1", {"description": "a line of text\n" * 5_000}, 1)
    assert len(current(record).diff) < 17_000
    assert current(record).diff.endswith("(shortened)")


def test_a_check_notes_a_stale_plan_without_a_new_version_and_a_later_one_takes_the_note_back() -> None:
    asked = [request(f"k{n}", action="check") for n in range(3)]
    stale = checked(generated(None), asked[0], model.Finding(True, "a.py changed.", ("a.py",)), LATER)
    assert current(stale).stale == Stale(since=LATER, reason="a.py changed.", files=["a.py"])
    assert (current(stale).version, current(stale).notes[-1]) == (1, "Stale: a.py changed.")
    outcome = model.outcome_of(stale, "k0")
    assert outcome is not None
    assert (outcome.status, outcome.stale, outcome.note) == ("done", True, "a.py changed.")
    fresh = checked(stale, asked[1], model.Finding(False), LATER)
    assert not [note for note in current(fresh).notes if note.startswith("Stale")]
    assert (current(fresh).checked_at, current(fresh).stale) == (LATER, None)
    unseen = checked(generated(None), asked[2], model.Finding(None, "it could not be checked."), LATER)
    assert current(unseen).checked_at == NOW
    assert current(unseen).notes[-1] == "Stale: it could not be checked."


def test_a_plan_is_stale_since_it_was_first_seen_and_stays_so_while_nobody_can_look_or_when_it_is_edited() -> None:
    asked = [request(f"k{n}", action="check") for n in range(3)]
    later = LATER + timedelta(hours=1)
    first = checked(generated(None), asked[0], model.Finding(True, "a.py changed.", ("a.py",)), LATER)
    more = checked(first, asked[1], model.Finding(True, "a.py, b.py changed.", ("a.py", "b.py")), later)
    unseen = checked(more, asked[2], model.Finding(None, "it could not be checked."), later)
    found = Stale(since=LATER, reason="a.py, b.py changed.", files=["a.py", "b.py"])
    assert current(unseen).stale == found
    edited_ = edited(unseen, "e1", {"title": "Commas"}, 1)
    assert (current(edited_).stale, current(edited_).changed_fields) == (found, ["title"])
    assert current(generated(edited_, "g2")).stale is None


def test_an_edit_of_an_old_plan_does_not_make_its_ground_look_new() -> None:
    record = generated(None)
    later = model.edited(record, request("e1", action="edit"), {"title": "Commas"}, LATER)
    assert later is not None
    assert (current(later).created_at, current(later).checked_at) == (LATER, NOW)
