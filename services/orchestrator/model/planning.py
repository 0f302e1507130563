"""A job that waits for the planner: for a plan, or for the word that its plan still stands on the branch's files."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import structs

from schemas import subjects
from schemas.errors import Failure
from schemas.jobs import FixRequest, Job
from schemas.plans import Plan
from schemas.similarity import address, planned_files
from services.orchestrator.model import messages
from services.orchestrator.model.changes import failed, in_seconds, moved
from services.orchestrator.model.events import Decision, Planned
from services.orchestrator.model.rules import Rules


def ask(job: Job, message: str, now: datetime, seconds: float) -> Job:
    """The job waiting for the planner."""
    return moved(
        job,
        now,
        message,
        send=subjects.plan_request(job.project_id, job.cluster_id),
        phase="planning",
        plan_request_id=messages.plan_request_id(job),
        phase_deadline=in_seconds(now, seconds, job.deadline),
    )


def follows(plan: Plan) -> dict[str, Any]:
    """The fields of a job that follows ``plan``."""
    return {"plan": plan, "plan_id": plan.id, "touches": planned_files(plan)}


def to_check(plan: Plan, request: FixRequest, now: datetime, rules: Rules) -> bool:
    """Whether the plan is so old that its files may have changed; a released patch is bound to its commit anyway."""
    if request.force or request.approve_patch is not None:
        return False
    return now - (plan.checked_at or plan.created_at) > timedelta(seconds=rules.check_after)


def planned(job: Job, event: Planned, now: datetime, rules: Rules) -> Decision:
    """The planner is done: into the queue, or failed with the planner's own reason."""
    if job.phase != "planning" or event.request_id != job.plan_request_id:
        return Decision()
    if job.plan is not None:
        return Decision(_checked(job, job.plan, event, now, rules))
    if event.plan is None:
        told = event.failure or Failure(kind="planning", reason="the planner made no plan and gave no reason")
        failure = Failure(kind="planning", reason=told.reason, action=told.action, detail=told.detail)
        return Decision(failed(job, failure, now))
    reason = unsuitable(event.plan, job.request)
    if reason is not None:
        failure = Failure(kind="planning", reason=reason, action="Start the fix again to get a plan that fits.")
        return Decision(failed(job, failure, now))
    return Decision(queued(job, "planned; waiting for a runner", now, rules, **follows(event.plan)))


def queued(job: Job, message: str, now: datetime, rules: Rules, **changes: Any) -> Job:
    """The job with its plan, in the queue."""
    return moved(
        job, now, message, phase="queued", phase_deadline=in_seconds(now, rules.queue, job.deadline), **changes
    )


def unchecked(job: Job, reason: str, now: datetime, rules: Rules) -> Job:
    """A check that gave no answer refuses nothing: the plan is as good as it was, and people are told."""
    return queued(job, f"the plan could not be checked ({reason}); waiting for a runner", now, rules)


def _checked(job: Job, plan: Plan, event: Planned, now: datetime, rules: Rules) -> Job:
    """What the check found. A stale plan that a person chose stops the job; another one was made again by the check."""
    if event.failure is not None or event.stale is None:
        return unchecked(job, event.failure.reason if event.failure else event.note or "no answer", now, rules)
    if not event.stale:
        return queued(job, "the plan's files are unchanged; waiting for a runner", now, rules)
    if messages.binding(job):
        reason = f"plan version {plan.version} is stale: {event.note}"
        action = "Generate the plan again (edits stay) and start the fix with it, or start this one with force."
        return failed(job, Failure(kind="planning", reason=reason, action=action), now)
    fresh = event.plan
    if fresh is None or fresh.version == plan.version or unsuitable(fresh, job.request) is not None:
        return queued(job, f"going on with a stale plan: {event.note}", now, rules)
    told = f"the plan was stale ({event.note}) and was made again as version {fresh.version}; waiting for a runner"
    request = structs.replace(job.request, plan_version=fresh.version)
    return queued(job, told, now, rules, request=request, **follows(fresh))


def unsuitable(plan: Plan, request: FixRequest) -> str | None:
    """Why a plan cannot be used for a request, in words; None when it can."""
    if not plan.base_commit:
        return "the plan names no base commit"
    if address(plan.repo_url) != address(request.repo_url):
        return f"the plan is about {plan.repo_url}, the fix was asked for {request.repo_url}"
    if request.base_branch is not None and request.base_branch != plan.base_branch:
        return f"the plan is about branch {plan.base_branch}, the fix was asked for {request.base_branch}"
    return None
