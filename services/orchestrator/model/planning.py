"""A job that waits for its plan, and whether a plan fits a request."""

from datetime import datetime

from schemas.errors import Failure
from schemas.jobs import FixRequest, Job
from schemas.plans import Plan
from services.orchestrator.model.changes import failed, in_seconds, moved
from services.orchestrator.model.events import Decision, Planned
from services.orchestrator.model.rules import Rules


def planned(job: Job, event: Planned, now: datetime, rules: Rules) -> Decision:
    """The planner is done: into the queue, or failed with the planner's own reason."""
    if job.phase != "planning" or event.request_id != job.plan_request_id:
        return Decision()
    if event.plan is None:
        told = event.failure or Failure(kind="planning", reason="the planner made no plan and gave no reason")
        failure = Failure(kind="planning", reason=told.reason, action=told.action, detail=told.detail)
        return Decision(failed(job, failure, now))
    reason = unsuitable(event.plan, job.request)
    if reason is not None:
        failure = Failure(kind="planning", reason=reason, action="Start the fix again to get a plan that fits.")
        return Decision(failed(job, failure, now))
    return Decision(
        moved(
            job,
            now,
            "planned; waiting for a runner",
            phase="queued",
            plan=event.plan,
            plan_id=event.plan.id,
            phase_deadline=in_seconds(now, rules.queue, job.deadline),
        )
    )


def unsuitable(plan: Plan, request: FixRequest) -> str | None:
    """Why a plan cannot be used for a request, in words; None when it can."""
    if not plan.base_commit:
        return "the plan names no base commit"
    if _address(plan.repo_url) != _address(request.repo_url):
        return f"the plan is about {plan.repo_url}, the fix was asked for {request.repo_url}"
    if request.base_branch is not None and request.base_branch != plan.base_branch:
        return f"the plan is about branch {plan.base_branch}, the fix was asked for {request.base_branch}"
    return None


def _address(repo_url: str) -> str:
    return repo_url.strip().removeprefix("file://").rstrip("/").removesuffix(".git").lower()
