"""A cancel wins until the right to publish is out, and then loses for good."""

import pytest

from services.orchestrator.model.events import Cancel, LeaseLost, Tick
from tests.unit.orchestrator.build import RULES, Drive, events, failure


def test_a_job_that_no_runner_holds_is_cancelled_at_once() -> None:
    planning, queued, handed = Drive(), Drive(), Drive()
    planning.create(with_plan=False)
    queued.create()
    handed.create()
    handed.hand_out()
    for drive in (planning, queued, handed):
        assert drive.apply(Cancel("changed my mind")).status == "cancelled"
        assert drive.job.failure is not None
        assert drive.job.failure.reason == "changed my mind"
    assert handed.claim().status == "cancelled"
    assert handed.answer == "lost"


@pytest.mark.parametrize("phase", ["provisioning", "checkout", "agent", "verifying", "gating"])
def test_a_held_job_is_told_with_the_next_heartbeat_and_ends_when_the_runner_says_so(phase: str) -> None:
    drive = Drive()
    drive.running()
    drive.beat(phase=phase)
    assert drive.apply(Cancel("stop")).status == "running"
    drive.beat(after=5)
    assert drive.answer == "cancel"
    assert drive.finish("cancelled").status == "cancelled"
    assert drive.answer == "ok"


def test_a_runner_that_does_not_stop_is_cut_off_and_its_later_calls_are_lost() -> None:
    drive = Drive()
    drive.running()
    drive.apply(Cancel("stop"))
    for _ in range(11):
        drive.beat(after=5, phase="agent")
        drive.apply(Tick())
        drive.beat(phase="verifying")
    assert drive.job.status == "running"
    assert drive.apply(Tick(), after=5).status == "cancelled"
    drive.publish()
    assert drive.answer == "lost"


def test_the_right_to_publish_is_refused_after_a_cancel() -> None:
    drive = Drive()
    drive.running()
    drive.apply(Cancel("stop"))
    assert not drive.publish().publishing
    assert drive.answer == "cancel"


def test_a_cancel_after_the_right_to_publish_was_given_is_refused_and_says_so() -> None:
    drive = Drive()
    drive.running()
    drive.publish()
    job = drive.apply(Cancel("stop"))
    assert (job.status, job.cancel_requested) == ("running", None)
    assert "too late" in events(job)[-1].message
    assert drive.finish("success", pr_url="http://forge/1").status == "success"


def test_a_cancel_loses_between_two_attempts_when_the_first_was_publishing() -> None:
    drive = Drive()
    drive.running()
    lease = drive.publish().lease_until
    assert lease is not None
    drive.apply(LeaseLost(lease), after=16)
    assert drive.apply(Cancel("stop")).status == "running"


def test_a_cancelled_attempt_is_not_retried_whatever_became_of_it() -> None:
    lost, broken = Drive(), Drive()
    for drive in (lost, broken):
        drive.running()
        drive.apply(Cancel("stop"))
    lease = lost.job.lease_until
    assert lease is not None
    assert lost.apply(LeaseLost(lease), after=16).status == "cancelled"
    assert broken.finish("failed", failure=failure()).status == "cancelled"


def test_a_second_cancel_and_a_cancel_of_a_finished_job_change_nothing() -> None:
    drive = Drive()
    drive.running()
    flagged = drive.apply(Cancel("stop"))
    assert drive.apply(Cancel("stop!"), after=10) is flagged
    done = drive.apply(Tick(), after=RULES.cancel)
    assert drive.apply(Cancel("again")) is done
