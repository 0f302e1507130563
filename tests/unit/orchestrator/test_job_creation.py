"""A request becomes a record, or a record that says why not."""

from msgspec import structs

from schemas.attempts import RunnerTask
from schemas.base import decode, encode
from schemas.jobs import FollowUp
from schemas.plans import PlanRequest
from services.orchestrator.model import decide
from services.orchestrator.model.creation import fitted
from services.orchestrator.model.events import Claim, Create, Planned, Tick
from services.orchestrator.model.messages import render
from tests.unit.orchestrator.build import RULES, START, Drive, call, cluster, events, failure, plan, request


def test_a_request_with_a_plan_waits_in_the_queue_and_tells_it() -> None:
    job = Drive().create()
    assert (job.status, job.phase, job.attempt) == ("pending", "queued", 0)
    assert [(event.n, event.status, event.phase) for event in events(job)] == [(1, "pending", "queued")]


def test_a_request_with_a_free_slot_is_handed_out_in_the_same_write() -> None:
    drive = Drive()
    job = drive.apply(Create(request(), slot=True))
    assert (job.phase, job.attempt, job.claimed) == ("provisioning", 1, False)
    task, status = job.outbox
    assert status.msg_id == "J1.1.0"
    assert (task.subject, task.msg_id) == ("runners.sandbox_kilo.default.J1", "J1.1.1")
    told = decode(render(job, task) or b"", RunnerTask)
    assert (told.attempt, told.base_commit, told.branch) == (1, "a" * 40, "soulcaster/j1")


def test_the_runner_is_the_requests_then_the_projects_then_the_default() -> None:
    assert Drive().apply(Create(request(runner="mine"), runner="theirs")).runner == "mine"
    assert Drive().apply(Create(request(), runner="theirs")).runner == "theirs"
    assert Drive().apply(Create(request())).runner == "sandbox_kilo"


def test_an_unknown_runner_fails_as_configuration_with_the_action() -> None:
    job = Drive().apply(Create(request(runner="nobody"), known_runner=False))
    assert (job.status, job.failure and job.failure.kind) == ("failed", "configuration")
    assert job.failure is not None
    assert "nobody" in job.failure.reason
    assert "GET /runners" in job.failure.action


def test_a_second_live_job_of_a_cluster_is_refused_with_the_first_ones_id() -> None:
    job = Drive().apply(Create(request(), rival="J0"))
    assert job.status == "cancelled"
    assert job.failure is not None
    assert "J0" in job.failure.reason


def test_a_request_without_a_plan_asks_the_planner_with_an_id_that_follows_from_the_job() -> None:
    job = Drive().create(with_plan=False)
    assert (job.phase, job.plan_request_id) == ("planning", "J1-plan")
    asked = decode(render(job, job.outbox[0]) or b"", PlanRequest)
    assert (asked.id, asked.job_id, asked.action) == ("J1-plan", "J1", "generate")
    assert asked.cluster is not None
    assert len(asked.cluster.evidence) == 2


def test_the_clusters_current_plan_is_used_when_it_fits() -> None:
    job = Drive().apply(Create(request(with_plan=False), plan=plan(4)))
    assert (job.phase, job.plan_id) == ("queued", "plan-v4")


def test_a_current_plan_about_another_repository_leads_to_a_new_plan() -> None:
    assert Drive().apply(Create(request(with_plan=False), plan=plan(repo_url="file:///other"))).phase == "planning"
    assert Drive().apply(Create(request(with_plan=False), plan=plan(repo_url="/srv/repo.git/"))).phase == "queued"


def test_a_stale_plan_version_fails_with_both_versions_named() -> None:
    job = Drive().apply(Create(request(with_plan=False, plan_version=2), plan=plan(3)))
    assert job.failure is not None
    assert (job.status, job.failure.kind) == ("failed", "planning")
    assert "2" in job.failure.reason
    assert "3" in job.failure.reason
    assert Drive().apply(Create(request(plan_version=7))).status == "failed"
    assert Drive().apply(Create(request(with_plan=False, plan_version=7))).status == "failed"


def test_a_made_plan_puts_the_job_into_the_queue() -> None:
    drive = Drive()
    drive.create(with_plan=False)
    job = drive.apply(Planned("J1-plan", plan=plan(2)))
    assert (job.phase, job.plan_id) == ("queued", "plan-v2")


def test_a_failed_plan_ends_the_job_with_the_planners_reason() -> None:
    drive = Drive()
    drive.create(with_plan=False)
    job = drive.apply(Planned("J1-plan", failure=failure("repository", "the repository does not clone")))
    assert job.failure is not None
    assert (job.status, job.failure.kind, job.failure.reason) == ("failed", "planning", "the repository does not clone")


def test_a_plan_for_another_request_changes_nothing() -> None:
    drive = Drive()
    before = drive.create(with_plan=False)
    assert drive.apply(Planned("J9-plan", plan=plan(2))) is before


def test_a_planner_that_never_answers_ends_the_job() -> None:
    drive = Drive()
    drive.create(with_plan=False)
    assert drive.apply(Tick(), after=RULES.plan - 1).status == "pending"
    job = drive.apply(Tick(), after=1)
    assert job.failure is not None
    assert (job.status, job.failure.kind) == ("failed", "planning")


def test_a_repeated_request_changes_nothing() -> None:
    drive = Drive()
    before = drive.create()
    assert drive.apply(Create(request())) is before


def test_a_call_about_an_unknown_job_is_lost() -> None:
    job = Drive().create()
    decision = decide(None, Claim(call(job)), START, RULES)
    assert decision.job is None
    assert decision.reply is not None
    assert decision.reply.answer == "lost"


def test_evidence_that_would_not_fit_the_record_is_cut_from_the_end() -> None:
    fat = cluster(reports=20, body="x" * 8_000)
    slim = fitted(fat, 40_000)
    assert [report.feedback_id for report in slim.evidence] == ["f0", "f1", "f2", "f3"]
    assert fitted(fat, 1_000_000) is fat


def test_a_record_with_the_largest_allowed_evidence_stays_far_below_the_brokers_limit() -> None:
    job = Drive().create(cluster=cluster(reports=20, body='"\n' * 4_096))
    assert len(encode(job)) < 400_000


def test_a_released_patch_must_be_the_one_the_gate_holds() -> None:
    drive = Drive()
    drive.running()
    held = drive.finish("needs_review", patch_key="patches/default/J1/1.diff")
    again = request("J2", with_plan=False, retry_of="J1", approve_patch="patches/default/J1/1.diff")
    job = Drive().apply(Create(again, prior=held, slot=True))
    task = decode(render(job, job.outbox[0]) or b"", RunnerTask)
    assert (task.approve_patch, task.base_commit) == ("patches/default/J1/1.diff", "a" * 40)
    other = structs.replace(again, approve_patch="patches/default/J9/1.diff")
    for refused in (Create(other, prior=held), Create(again, prior=None)):
        outcome = Drive().apply(refused)
        assert outcome.failure is not None
        assert (outcome.status, outcome.failure.kind) == ("failed", "gate")


def test_a_retry_uses_the_plan_of_the_job_it_retries_when_the_cluster_has_none() -> None:
    prior = structs.replace(Drive().create(), plan=plan(5))
    job = Drive().apply(Create(request("J2", with_plan=False, retry_of="J1"), prior=prior))
    assert (job.phase, job.plan_id) == ("queued", "plan-v5")


def test_a_retry_goes_on_from_the_work_that_the_job_before_had_saved() -> None:
    drive = Drive()
    drive.running()
    prior = drive.finish("failed", bundle_key="bundles/default/J1/2.bundle")
    again = request("J2", retry_of="J1")
    job = Drive().apply(Create(again, prior=prior, slot=True))
    assert decode(render(job, job.outbox[0]) or b"", RunnerTask).resume_key == "bundles/default/J1/2.bundle"
    elsewhere = structs.replace(again, repo_url="/other.git")
    assert Drive().apply(Create(elsewhere, prior=prior, slot=True)).bundle_key is None


def test_a_follow_up_works_on_the_pull_requests_branch_at_its_newest_commit() -> None:
    follow_up = FollowUp(
        of="J0", pr_url="u", number=7, branch="soulcaster/j0", round=1, reason="review", since=START, at=START
    )
    job = Drive().apply(Create(request(follow_up=follow_up, fork="auto"), slot=True))
    task = decode(render(job, job.outbox[0]) or b"", RunnerTask)
    assert (task.branch, task.base_commit, task.follow_up, task.fork) == ("soulcaster/j0", "", follow_up, "auto")
    assert [event.follow_up_of for event in events(job)] == ["J0"]
