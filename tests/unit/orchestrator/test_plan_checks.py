"""Before money is spent: similar open work, and plans whose files have changed since."""

from typing import Any

import pytest
from msgspec import structs

from schemas.base import decode
from schemas.jobs import Job, Report, Similar
from schemas.plans import CandidateFile, PlanRequest
from services.orchestrator.model.events import Create, Planned, Tick
from services.orchestrator.model.messages import render
from tests.unit.orchestrator.build import START, Drive, events, failure, plan, request

SIMILAR = (Similar(job_id="J0", cluster_id="c0", pr_url="http://forge/1", reason="it changes a.py"),)
HOUR = 3600.0


class Late(Drive):
    """A fix asked for an hour after its plan was made."""

    def asked(self, **changes: Any) -> Job:
        return self.apply(Create(request(**changes)), HOUR)

    def told(self, stale: bool | None, note: str = "", **values: Any) -> Job:
        return self.apply(Planned("J1-check", stale=stale, note=note, **values))


def asked_of_the_planner(job: Job) -> PlanRequest:
    return decode(render(job, job.outbox[0]) or b"", PlanRequest)


def test_similar_work_ends_the_job_with_the_reason_and_the_way_on() -> None:
    job = Drive().apply(Create(request(), similar=SIMILAR))
    assert job.status == "cancelled"
    assert job.failure is not None
    assert "J0" in job.failure.reason
    assert "http://forge/1" in job.failure.reason
    assert "force" in job.failure.action


def test_force_goes_on_in_spite_of_similar_work() -> None:
    assert Drive().apply(Create(request(force=True), similar=SIMILAR)).phase == "queued"


def test_a_young_plan_is_not_checked_and_an_old_one_is() -> None:
    assert Drive().create().phase == "queued"
    job = Late().asked()
    assert (job.phase, job.plan_request_id, job.plan is not None) == ("planning", "J1-check", True)
    asked = asked_of_the_planner(job)
    assert (asked.action, asked.expected_version, asked.reground) == ("check", 1, True)


@pytest.mark.parametrize(
    "changes", [{"force": True}, {"plan": structs.replace(plan(), checked_at=START.replace(hour=13))}]
)
def test_force_and_a_fresh_check_save_the_question(changes: dict[str, Any]) -> None:
    assert Late().asked(**changes).phase == "queued"


def test_a_plan_that_still_stands_goes_into_the_queue_as_it_is() -> None:
    late = Late()
    late.asked()
    job = late.told(False, plan=plan(1))
    assert (job.phase, job.plan_id) == ("queued", "plan-v1")
    assert "unchanged" in events(job)[-1].message


def test_a_stale_plan_that_nobody_chose_is_replaced_by_the_one_made_again() -> None:
    late = Late()
    late.asked(plan_version=1)
    fresh = structs.replace(plan(2), candidate_files=[CandidateFile(path="shop/new.py")])
    job = late.told(True, "a.py changed", plan=fresh)
    assert (job.phase, job.plan_id, job.touches) == ("queued", "plan-v2", ["shop/new.py"])
    assert job.request.plan_version == 2
    assert "a.py changed" in events(job)[-1].message


def test_a_stale_plan_that_could_not_be_made_again_is_followed_and_that_is_told() -> None:
    late = Late()
    late.asked()
    job = late.told(True, "a.py changed", plan=plan(1))
    assert (job.phase, job.plan_id) == ("queued", "plan-v1")
    assert "stale" in events(job)[-1].message


@pytest.mark.parametrize(
    "chosen",
    [
        {"plan_named": True, "plan_version": 1},
        {"plan": structs.replace(plan(), approved_by="grace", approved_at=START)},
    ],
)
def test_a_stale_plan_that_a_person_chose_stops_the_job_and_is_never_replaced(chosen: dict[str, Any]) -> None:
    late = Late()
    assert asked_of_the_planner(late.asked(**chosen)).reground is False
    job = late.told(True, "a.py changed", plan=plan(2))
    assert (job.status, job.failure and job.failure.kind) == ("failed", "planning")
    assert job.failure is not None
    assert "a.py changed" in job.failure.reason
    assert "force" in job.failure.action


@pytest.mark.parametrize("silence", ["unseen", "failed", "late"])
def test_a_check_without_an_answer_holds_nothing_up(silence: str) -> None:
    late = Late()
    late.asked(plan_named=True, plan_version=1)
    if silence == "late":
        job = late.apply(Tick(), late.rules.check + 1)
    elif silence == "failed":
        job = late.apply(Planned("J1-check", failure=failure("planning", "no such version")))
    else:
        job = late.told(None, "the repository cannot be reached")
    assert (job.phase, job.plan_id) == ("queued", "plan-v1")
    assert "could not be checked" in events(job)[-1].message


def test_a_job_touches_what_its_plan_names_and_at_last_what_it_changed() -> None:
    drive = Drive()
    files = [CandidateFile(path=f"{name}.py") for name in "abcd"]
    job = drive.apply(Create(request(plan=structs.replace(plan(), candidate_files=files)), slot=True))
    assert job.touches == ["a.py", "b.py", "c.py"]
    drive.claim()
    drive.publish()
    job = drive.finish("success", pr_url="u", report=Report(changed_files=["b.py", "tests/test_b.py"]))
    assert (job.status, job.touches) == ("success", ["b.py"])
