"""From a request to a record: planned, queued, handed out at once, or refused with a reason."""

from datetime import datetime

from msgspec import structs

from schemas.base import encode
from schemas.clusters import Cluster
from schemas.errors import Failure
from schemas.jobs import Job
from schemas.plans import Plan
from schemas.similarity import refusal
from services.orchestrator.model import messages
from services.orchestrator.model.changes import cancelled, failed, in_seconds, moved
from services.orchestrator.model.events import Create, Decision
from services.orchestrator.model.handing import budget_spent, handed_out
from services.orchestrator.model.planning import ask, follows, to_check, unsuitable
from services.orchestrator.model.rules import Rules, job_time


def create(event: Create, now: datetime, rules: Rules) -> Decision:
    """The first record of a job. A request that cannot be served makes a record too: every accepted job has an end."""
    job = _record(event, now, rules)
    if event.rival is not None:
        return Decision(cancelled(job, f"job {event.rival} is already fixing this cluster", now))
    if event.similar and not _goes_on(event):
        return Decision(cancelled(job, refusal(list(event.similar)), now, action="Start it with force to go on."))
    if not event.known_runner:
        reason = f"no runner is called {job.runner}"
        action = "Name a runner of GET /runners, or start one under that name and try again."
        return Decision(failed(job, Failure(kind="configuration", reason=reason, action=action), now))
    if event.broke is not None and event.request.approve_patch is None:
        return Decision(failed(job, budget_spent(event.broke), now))
    refused = _refused_approval(event) or _refused_plan(event)
    if refused is not None:
        return Decision(failed(job, refused, now))
    plan = _plan(event)
    if plan is None:
        return Decision(ask(job, "asking the planner for a plan", now, rules.plan))
    job = structs.replace(job, **follows(plan))
    if to_check(plan, event.request, now, rules):
        return Decision(ask(job, "asking the planner whether the plan's files have changed", now, rules.check))
    return Decision(handed_out(job, now, rules) if event.slot else moved(job, now, "waiting for a runner"))


def _record(event: Create, now: datetime, rules: Rules) -> Job:
    request = event.request
    deadline = now + job_time(request.limits, rules)
    slim = structs.replace(request, cluster=fitted(request.cluster, rules.evidence_bytes), plan=None)
    return Job(
        id=request.job_id,
        project_id=request.project_id,
        cluster_id=request.cluster_id,
        request=slim,
        runner=request.runner or event.runner or rules.default_runner,
        max_attempts=rules.max_attempts,
        bundle_key=_saved(event),
        branch=request.follow_up.branch if request.follow_up else messages.branch_of(request.job_id),
        phase_deadline=in_seconds(now, rules.queue, deadline),
        deadline=deadline,
        created_at=request.created_at,
        updated_at=now,
    )


def _saved(event: Create) -> str | None:
    """What the agent of the job being retried had done: a runner whose base it does not fit starts anew."""
    prior, request = event.prior, event.request
    if prior is None or request.approve_patch is not None or request.follow_up is not None:
        return None
    return prior.bundle_key if prior.request.repo_url == request.repo_url else None


def _goes_on(event: Create) -> bool:
    """Whether similar work refuses nothing: the caller said so, or the patch is made and only to be published."""
    return event.request.force or event.request.approve_patch is not None


def _plan(event: Create) -> Plan | None:
    """The snapshot in the request, else the plan of the job being retried, else the cluster's current plan."""
    if event.request.approve_patch is not None and event.prior is not None:
        return event.prior.plan  # a released patch belongs to the base commit of its own plan
    if event.request.plan is not None:
        return event.request.plan
    known = event.plan or (event.prior.plan if event.prior is not None else None)
    if known is None or (event.request.plan_version is None and unsuitable(known, event.request)):
        return None
    return known


def _refused_plan(event: Create) -> Failure | None:
    """Why the plan version that was asked for cannot be used."""
    if event.request.approve_patch is not None:
        return None
    wanted, plan = event.request.plan_version, _plan(event)
    if plan is None:
        if wanted is None:
            return None
        return _stale(f"plan version {wanted} was asked for, but the cluster has no plan")
    if wanted is not None and plan.version != wanted:
        return _stale(f"plan version {wanted} was asked for, but the plan is now at version {plan.version}")
    reason = unsuitable(plan, event.request)
    return None if reason is None else _stale(reason)


def _stale(reason: str) -> Failure:
    return Failure(kind="planning", reason=reason, action="Read the current plan, then start the fix with its version.")


def _refused_approval(event: Create) -> Failure | None:
    """A released patch must be the one that the gate holds: the key of any other artifact is refused."""
    wanted, prior = event.request.approve_patch, event.prior
    if wanted is None:
        return None
    if prior is None or prior.status != "needs_review" or prior.patch_key != wanted or prior.plan is None:
        reason = "the patch to release is not one that the gate holds for review"
        return Failure(kind="gate", reason=reason, action="Approve a job whose status is needs_review.")
    return None


def fitted(cluster: Cluster, limit: int) -> Cluster:
    """The cluster with as many of its reports, best first, as fit in ``limit`` bytes of JSON."""
    kept, size = 0, 0
    for report in cluster.evidence:
        size += len(encode(report))
        if size > limit:
            break
        kept += 1
    return cluster if kept == len(cluster.evidence) else structs.replace(cluster, evidence=cluster.evidence[:kept])
