"""Claims, leases, retries: who may speak for an attempt, and what its end means."""

from datetime import timedelta

import pytest
from msgspec import structs

from schemas.attempts import AttemptEvent, RunnerTask
from schemas.base import decode
from schemas.errors import FailureClass
from schemas.jobs import Report, Usage, Waiting
from schemas.spending import Spend
from services.orchestrator.model.events import (
    Broke,
    Claim,
    Create,
    Finish,
    HandOut,
    Heartbeat,
    LeaseLost,
    Progress,
    Publish,
    Tick,
    Wait,
)
from services.orchestrator.model.messages import render
from tests.unit.orchestrator.build import RULES, START, Drive, call, events, failure, request


def test_a_claim_makes_the_job_running_and_answers_the_fencing_token() -> None:
    drive = Drive()
    job = drive.running()
    assert (job.status, job.claimed, job.instance, job.started_at) == ("running", True, "one", START)
    assert drive.reply is not None
    assert (drive.reply.answer, drive.reply.token) == ("ok", 1)
    assert job.lease_until == START + timedelta(seconds=15)


def test_only_one_instance_gets_an_attempt_and_its_repeated_claim_is_answered_the_same() -> None:
    drive = Drive()
    before = drive.running()
    assert drive.claim("two") is before
    assert drive.answer == "lost"
    assert drive.claim("one") is before
    assert drive.answer == "ok"


def test_a_heartbeat_renews_the_lease_and_moves_the_phase_with_its_own_deadline() -> None:
    drive = Drive()
    drive.running()
    job = drive.beat(after=5, phase="agent", usage=Usage(requests=3))
    assert (job.phase, job.usage.requests) == ("agent", 3)
    assert job.lease_until == START + timedelta(seconds=20)
    assert job.phase_deadline == START + timedelta(seconds=5 + 1800 + RULES.agent_margin)


def test_only_visible_changes_are_told() -> None:
    drive = Drive()
    drive.running()
    drive.beat(after=5, phase="agent")
    drive.beat(after=5, phase="agent")
    assert [(event.n, event.phase) for event in events(drive.job)] == [
        (1, "queued"),
        (2, "provisioning"),
        (3, "provisioning"),
        (4, "agent"),
    ]


def test_a_published_fact_moves_the_phase_but_renews_nothing() -> None:
    drive = Drive()
    before = drive.running()
    fact = AttemptEvent(
        job_id="J1",
        project_id="default",
        runner="sandbox_kilo",
        instance="one",
        attempt=1,
        kind="phase",
        phase="agent",
        at=START,
    )
    job = drive.apply(Progress(fact), after=3)
    assert (job.phase, job.lease_until) == ("agent", before.lease_until)


def test_a_published_fact_read_late_moves_nothing_back() -> None:
    drive = Drive()
    drive.running()
    ahead = drive.beat(phase="gating")
    fact = AttemptEvent(
        job_id="J1",
        project_id="default",
        runner="sandbox_kilo",
        instance="one",
        attempt=1,
        kind="phase",
        phase="agent",
        at=START,
    )
    assert drive.apply(Progress(fact)) is ahead


def test_a_lost_runner_leads_to_a_new_attempt_that_another_instance_may_take() -> None:
    drive = Drive()
    job = drive.running()
    assert job.lease_until is not None
    job = drive.apply(LeaseLost(job.lease_until), after=16)
    assert (job.status, job.phase, job.claimed) == ("running", "queued", False)
    drive.apply(HandOut(), after=1)
    job = drive.claim("two")
    assert (job.attempt, job.instance) == (2, "two")


def test_a_renewed_lease_is_not_lost_to_an_observer_who_saw_the_old_one() -> None:
    drive = Drive()
    seen = drive.running().lease_until
    assert seen is not None
    renewed = drive.beat(after=5)
    assert drive.apply(LeaseLost(seen), after=30) is renewed


def test_a_lost_attempt_is_retried_until_the_limit() -> None:
    drive = Drive()
    drive.create()
    for attempt in range(1, 4):
        drive.apply(HandOut(), after=60)
        job = drive.claim(f"instance{attempt}")
        assert (job.status, job.attempt) == ("running", attempt)
        assert job.lease_until is not None
        drive.apply(LeaseLost(job.lease_until))
    assert drive.job.failure is not None
    assert (drive.job.status, drive.job.failure.kind, len(drive.job.history)) == ("failed", "lost_runner", 2)


@pytest.mark.parametrize("kind", ["infrastructure", "lost_runner", "model_unavailable", "agent"])
def test_these_classes_are_tried_again_after_a_delay(kind: FailureClass) -> None:
    drive = Drive()
    drive.running()
    job = drive.finish("failed", failure=failure(kind))
    assert (job.status, job.phase) == ("running", "queued")
    assert job.not_before is not None
    assert job.not_before > drive.now
    assert drive.apply(HandOut()) is job


@pytest.mark.parametrize(
    "kind", ["budget", "no_changes", "verification", "gate", "repository", "configuration", "planning", "deadline"]
)
def test_these_classes_end_the_job_at_once(kind: FailureClass) -> None:
    drive = Drive()
    drive.running()
    job = drive.finish("failed", failure=failure(kind))
    assert job.failure is not None
    assert (job.status, job.failure.kind) == ("failed", kind)


def test_an_agent_that_ended_badly_gets_one_more_try() -> None:
    drive = Drive()
    drive.running()
    drive.finish("failed", failure=failure("agent"))
    drive.apply(HandOut(), after=60)
    drive.claim()
    assert drive.finish("failed", failure=failure("agent")).status == "failed"


def test_back_off_grows_with_the_attempts() -> None:
    drive = Drive()
    drive.running()
    first = drive.finish("failed", failure=failure("model_unavailable")).not_before
    assert first == drive.now + timedelta(seconds=15)
    drive.apply(HandOut(), after=15)
    drive.claim()
    assert drive.finish("failed", failure=failure("model_unavailable")).not_before == drive.now + timedelta(seconds=60)


def test_an_attempt_that_a_forge_puts_off_is_held_until_then_and_tells_the_person() -> None:
    drive = Drive()
    drive.running()
    until = drive.now + timedelta(hours=7)  # longer than the queue's own patience
    limited = structs.replace(failure(reason="GitHub's rate limit is reached until 19:00 UTC."), retry_at=until)
    job = drive.finish("failed", failure=limited, bundle_key="bundles/J1/1")
    assert (job.phase, job.not_before, job.waiting) == ("queued", until, Waiting(reason=limited.reason, until=until))
    assert events(job)[-1].message.endswith("the next one starts at 19:00 UTC")
    assert drive.apply(Tick(), after=6.5 * 3600) is job, "the queue's deadline counts from then"
    assert drive.apply(Wait("no runner is alive", fatal=True)) is job, "nobody is needed before then"
    assert drive.apply(HandOut(), after=1700) is job
    job = drive.apply(HandOut(), after=100)
    assert (job.phase, job.attempt, job.waiting, job.bundle_key) == ("provisioning", 2, None, "bundles/J1/1")


def test_a_job_that_would_end_before_a_forge_takes_it_again_fails_now_with_the_time() -> None:
    drive = Drive()
    drive.running()
    limited = structs.replace(failure(reason="limited until tomorrow"), retry_at=drive.job.deadline)
    job = drive.finish("failed", failure=limited)
    assert (job.status, job.failure) == ("failed", limited)


def test_a_time_that_has_passed_leaves_the_ordinary_delay() -> None:
    drive = Drive()
    drive.running()
    job = drive.finish("failed", failure=structs.replace(failure(), retry_at=drive.now - timedelta(seconds=1)))
    assert (job.not_before, job.waiting) == (drive.now + timedelta(seconds=5), None)


def test_success_needs_the_right_to_publish_and_a_pull_request() -> None:
    drive = Drive()
    drive.running()
    assert drive.finish("success", pr_url="http://forge/1").phase == "queued"
    drive.apply(HandOut(), after=60)
    drive.claim()
    drive.publish()
    job = drive.finish("success", pr_url="http://forge/1", report=Report(summary="done"), branch="soulcaster/j1")
    assert (job.status, job.phase, job.pr_url) == ("success", "done", "http://forge/1")
    assert job.report is not None
    assert (job.report.summary, job.failure, job.finished_at) == ("done", None, drive.now)


def test_a_repeated_finish_is_answered_ok_and_changes_nothing() -> None:
    drive = Drive()
    drive.running()
    drive.publish()
    done = drive.finish("success", pr_url="http://forge/1")
    assert drive.finish("success", pr_url="http://forge/1") is done
    assert drive.answer == "ok"
    assert drive.finish("failed", failure=failure()) is done
    assert drive.answer == "lost"


def test_a_zombies_calls_are_refused_and_change_nothing() -> None:
    drive = Drive()
    job = drive.running("zombie")
    stale = call(job, "zombie", outcome="success", pr_url="http://forge/1")
    assert job.lease_until is not None
    drive.apply(LeaseLost(job.lease_until), after=16)
    drive.apply(HandOut(), after=5)
    current = drive.claim("two")
    for event in (Claim(stale), Heartbeat(stale), Publish(stale), Finish(stale)):
        assert drive.apply(event) is current
        assert drive.answer == "lost"


def test_a_runner_that_dies_while_publishing_is_followed_by_one_that_resumes() -> None:
    drive = Drive()
    drive.running()
    job = drive.publish(bundle_key="bundles/default/J1/1.bundle")
    assert (job.publishing, job.bundle_key) == (True, "bundles/default/J1/1.bundle")
    assert job.lease_until is not None
    drive.apply(LeaseLost(job.lease_until), after=16)
    drive.apply(HandOut(), after=5)
    drive.claim("two")
    assert drive.publish("two").phase == "publishing"
    assert drive.finish("success", "two", pr_url="http://forge/1").status == "success"


def test_a_job_given_up_while_publishing_names_the_branch_to_look_for() -> None:
    drive = Drive()
    drive.create()
    for _ in range(3):
        drive.apply(HandOut(), after=60)
        drive.claim()
        job = drive.publish()
        assert job.lease_until is not None
        drive.apply(LeaseLost(job.lease_until), after=16)
    assert drive.job.status == "failed"
    assert drive.job.failure is not None
    assert "soulcaster/j1" in drive.job.failure.action


def test_a_task_that_nobody_takes_goes_back_to_the_queue_with_the_reason_and_costs_no_attempt() -> None:
    drive = Drive()
    drive.create()
    drive.hand_out()
    job = drive.apply(Tick(), after=RULES.claim)
    assert (job.status, job.phase, job.history) == ("pending", "queued", [])
    assert job.failure is not None
    assert "took the job" in job.failure.reason
    assert drive.claim().phase == "queued"
    assert drive.answer == "lost"
    assert drive.hand_out().attempt == 2


def test_why_a_job_waits_is_told_once() -> None:
    drive = Drive()
    drive.create()
    told = drive.apply(Wait("no runner called sandbox_kilo is alive", "Start one."))
    assert events(told)[-1].message == "no runner called sandbox_kilo is alive"
    assert drive.apply(Wait("no runner called sandbox_kilo is alive", "Start one.")) is told
    assert drive.hand_out().failure is None


def test_a_job_that_waited_in_vain_fails_with_the_reason_it_was_told() -> None:
    drive = Drive()
    drive.create()
    drive.apply(Wait("no runner called sandbox_kilo is alive", "Start one."))
    job = drive.apply(Tick(), after=RULES.queue)
    assert job.failure is not None
    assert (job.status, job.failure.kind, job.failure.action) == ("failed", "configuration", "Start one.")


def test_a_problem_that_will_not_pass_by_itself_ends_the_wait_early() -> None:
    drive = Drive()
    drive.create()
    drive.apply(Wait("Kilocode is missing", "Run make setup.", fatal=True))
    assert drive.apply(Tick(), after=RULES.no_runner - 1).status == "pending"
    assert drive.apply(Tick(), after=1).status == "failed"


def test_a_phase_that_outlives_its_deadline_ends_the_attempt_or_the_job() -> None:
    stuck = Drive()
    stuck.running()
    assert stuck.apply(Tick(), after=RULES.provisioning).phase == "queued"
    endless = Drive()
    endless.running()
    endless.beat(phase="agent")
    job = endless.apply(Tick(), after=1800 + RULES.agent_margin)
    assert job.failure is not None
    assert (job.status, job.failure.kind) == ("failed", "deadline")


def test_the_right_to_publish_is_refused_when_too_little_time_is_left() -> None:
    drive = Drive()
    job = drive.running()
    drive.now = job.deadline - timedelta(seconds=30)
    assert drive.publish().status == "failed"
    assert drive.answer == "lost"


def test_a_terminal_record_is_compact_but_still_tells_what_the_job_was() -> None:
    drive = Drive()
    drive.running()
    job = drive.finish("failed", failure=failure("no_changes"))
    assert [report.body for report in job.request.cluster.evidence] == ["", ""]
    assert job.request.cluster.title == "It breaks"
    assert job.plan is not None


def test_what_an_attempt_used_is_booked_on_its_day_and_handed_to_the_next() -> None:
    drive = Drive()
    drive.running()
    drive.beat(after=5, phase="agent", usage=Usage(input_tokens=100, cost_usd=0.5))
    drive.beat(after=5, phase="agent", usage=Usage(input_tokens=160, cost_usd=0.75))
    assert drive.job.spending == {"2026-11-23": Spend(tokens=160, usd=0.75)}
    drive.finish("failed", failure=failure(), usage=Usage(input_tokens=170, cost_usd=0.75))
    drive.now = drive.job.not_before or START
    job = drive.hand_out()
    task = decode(render(job, job.outbox[-2]) or b"", RunnerTask)
    assert (task.attempt, task.spent.input_tokens) == (2, 170)
    drive.claim()
    drive.beat(after=86_400 - 43_000, usage=Usage(input_tokens=171, cost_usd=0.75))
    assert drive.job.spending["2026-11-23"].tokens + drive.job.spending.get("2026-11-24", Spend()).tokens == 171


def test_a_project_whose_budget_is_spent_gets_no_record_that_runs() -> None:
    broke = "The project's budget is spent. It refills on 2026-11-24 00:00 UTC."
    job = Drive().apply(Create(request(), broke=broke, slot=True))
    assert job.failure is not None
    assert (job.status, job.failure.kind, job.failure.reason) == ("failed", "budget", broke)


def test_a_job_that_waits_ends_when_the_budget_is_gone_and_a_running_one_does_not() -> None:
    waiting, running = Drive(), Drive()
    waiting.create()
    assert waiting.apply(Broke("It refills tomorrow.")).status == "failed"
    before = running.running()
    assert running.apply(Broke("It refills tomorrow.")) is before


def test_waiting_for_somebody_who_says_until_when_spends_no_time_of_the_phase_and_is_told() -> None:
    drive = Drive()
    drive.running()
    drive.publish()
    wait = Waiting(reason="waiting for GitHub until 13:30", until=START + timedelta(hours=1.5))
    job = drive.beat(after=5, waiting=wait)
    assert (job.waiting, job.phase_deadline) == (wait, wait.until + timedelta(seconds=RULES.publish))
    assert drive.beat(after=5, waiting=wait).event_seq == job.event_seq, "told once"
    assert drive.apply(Tick(), after=5_000).status == "running"
    job = drive.beat(after=5)
    assert (job.waiting, job.phase_deadline) == (None, drive.now + timedelta(seconds=RULES.publish))
    assert [event.message for event in events(job)][-2:] == ["waiting for GitHub until 13:30", "publishing goes on"]


def test_no_wait_outlives_the_job() -> None:
    drive = Drive()
    drive.running()
    job = drive.beat(after=5, waiting=Waiting(reason="for ever", until=START + timedelta(days=400)))
    assert job.phase_deadline == job.deadline
    assert drive.finish("failed", failure=failure("gate")).waiting is None
