"""Starting a fix: one live job per cluster, whoever asks, how often, and whatever dies in between.

The lock in KV ``projects`` holds the whole request and is written before it is published, so that whoever finds a
lock without a job publishes the same request again with the same id. The orchestrator alone then owns the job.
"""

import base64
from dataclasses import dataclass, field

import msgspec
from msgspec import structs

from messaging.ports import Conflict
from runtime import ids, logs
from schemas import subjects
from schemas.base import decode, encode
from schemas.budgets import budget_of
from schemas.budgets import refusal as refused
from schemas.clusters import Cluster
from schemas.jobs import CancelRequest, FixRequest, FollowUp, Job, Limits
from schemas.plans import Plan
from schemas.projects import FixLock, Project, SealedSecret
from schemas.similarity import Footprint, marks_of, planned_files, refusal, still_open
from schemas.spending import Left
from services.gateway import repositories
from services.gateway.context import Gateway
from services.gateway.problems import Problem, not_found
from services.gateway.source_settings import stored

log = logs.logger("gateway.fixing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a caller asked for."""

    cluster_id: str
    requested_by: str
    key: str | None = None
    runner: str | None = None
    agent: str | None = None
    plan_version: int | None = None
    repo_url: str | None = None
    base_branch: str | None = None
    token: str | None = None
    retry_of: str | None = None
    approve_patch: str | None = None
    force: bool = False
    limits: Limits = field(default_factory=Limits)
    follow_up: FollowUp | None = None
    plan: Plan | None = None  # of the job that is followed up: it is gone on with, whatever is planned by now


async def cluster_of(gateway: Gateway, project: str, cluster_id: str) -> Cluster:
    """The newest state of a cluster from its stream; Problem 404. No other service is asked."""
    stored = await gateway.bus.last(subjects.CLUSTERS, subjects.cluster(project, cluster_id))
    if stored is None:
        raise not_found("Cluster not found")
    cluster = decode(stored.data, Cluster)
    if cluster.count == 0:
        raise not_found("Cluster not found: its reports now belong to another cluster")
    return cluster


async def start(gateway: Gateway, project: Project, wish: Wish, cluster: Cluster | None = None) -> str:
    """The id of the job that now exists for this wish. Problem 409 with the live job's id when it is another one.

    ``cluster`` when the caller brings its own (an issue that triage does not know).
    """
    cluster = cluster or await cluster_of(gateway, project.id, wish.cluster_id)
    plan = await _plan(gateway, project.id, wish)
    request = _fitting(_request(gateway, project, cluster, plan, wish))
    await check_quota(gateway, project)
    if wish.approve_patch is None:  # publishing a patch that is made costs nothing
        check_budget(gateway, project)
    await _check_similar(gateway, request)
    if wish.token:
        await _keep_token(gateway, request.job_id, wish.token)
    job_id = await _lock(gateway, request)
    if job_id == request.job_id:
        gateway.jobs.expect(request)
        log.info("fix.requested", job_id=job_id, project_id=project.id, cluster_id=cluster.id, runner=request.runner)
        return job_id
    if wish.token:
        await gateway.job_secrets.delete(subjects.key(request.job_id))
    raise Problem(
        409, "fix_already_running", f"A fix is already running for this cluster: job {job_id}.", job_id=job_id
    )


async def _check_similar(gateway: Gateway, request: FixRequest) -> None:
    """Problem 409 with the open work that this fix would repeat. From memory; only pull requests cost a read.

    A live job of the same cluster is the lock's to answer. The orchestrator asks again and is the authority.
    """
    if request.force or request.approve_patch or gateway.jobs.get(request.project_id, request.job_id) is not None:
        return
    mine = Footprint(
        job_id=request.job_id,
        cluster_id=request.cluster_id,
        project_id=request.project_id,
        repo_url=request.repo_url,
        files=planned_files(request.plan),
        marks=request.marks,
    )
    found = [one for one in gateway.jobs.work.like(mine) if one.job_id != request.retry_of]
    if any(one.cluster_id == request.cluster_id and one.pr_url is None for one in found):
        return
    found = [one for one in found if one.pr_url is None or await _waits(gateway, request.project_id, one.cluster_id)]
    if found:
        detail = f"{refusal(found)} Send force: true to start the fix all the same."
        raise Problem(409, "similar_work_open", detail, similar=msgspec.to_builtins(found))


async def _waits(gateway: Gateway, project: str, cluster_id: str) -> bool:
    stored = await gateway.bus.last(subjects.CLUSTERS, subjects.cluster(project, cluster_id))
    return still_open(stored.data if stored else None)


async def _plan(gateway: Gateway, project: str, wish: Wish) -> Plan | None:
    if wish.plan is not None:
        return wish.plan
    if wish.plan_version is not None:
        plan = await gateway.plans.version(project, wish.cluster_id, wish.plan_version)
        if plan is None:
            raise not_found(f"The plan has no version {wish.plan_version}", "plan_version_not_found")
        return plan
    record = await gateway.plans.record(project, wish.cluster_id)
    return record.current if record else None


def _request(gateway: Gateway, project: Project, cluster: Cluster, plan: Plan | None, wish: Wish) -> FixRequest:
    planned = plan.repo_url if plan else None
    repo_url = repositories.check(
        repositories.choose(wish.repo_url, cluster.github_repo_url, planned, project.default_repo_url),
        local=gateway.settings.allows_local_repositories,
    )
    if plan is not None and plan.repo_url != repo_url and wish.plan_version is None:
        plan = None  # made for another repository: the orchestrator asks for one that fits
    return FixRequest(
        job_id=id_of(project.id, wish.key) if wish.key else ids.new_id(),
        project_id=project.id,
        cluster_id=cluster.id,
        cluster=cluster,
        repo_url=repo_url,
        base_branch=wish.base_branch or (plan.base_branch if plan else None),
        runner=wish.runner,
        plan_version=plan.version if plan else None,
        plan=structs.replace(plan, diff="") if plan else None,  # what led to the version is of no use to a runner
        plan_named=wish.plan_version is not None or wish.follow_up is not None,
        marks=marks_of(cluster),
        force=wish.force,
        limits=wish.limits,
        retry_of=wish.retry_of,
        approve_patch=wish.approve_patch,
        has_secret=bool(wish.token),
        fork=stored(project, "fix").get("fork"),
        follow_up=wish.follow_up,
        agent=wish.agent or stored(project, "fix").get("agent"),
        requested_by=wish.requested_by,
        created_at=gateway.clock.now(),
    )


def id_of(project_id: str, key: str) -> str:
    """The job that a wish with this key makes."""
    return ids.derived("job", project_id, key)


async def check_quota(gateway: Gateway, project: Project) -> None:
    """Problem 429 when the owner's successful jobs reached the quota."""
    limit = gateway.settings.quota_jobs
    if not limit:
        return
    owned = {other.id for other in gateway.directory.projects.values.values() if other.user_id == project.user_id}
    count = gateway.jobs.count(owned, lambda view: view.status == "success")
    if count >= limit:
        raise quota_exceeded("successful jobs", count, limit)


def left_of(gateway: Gateway, project: Project) -> Left | None:
    """What the project may still spend; None without a budget."""
    return gateway.jobs.ledger.left(project.id, budget_of(project.settings.get("fix")), gateway.clock.now())


def check_budget(gateway: Gateway, project: Project) -> None:
    """Problem 429 with the time of the refill when the project has spent what it may. The orchestrator asks again."""
    now, left = gateway.clock.now(), left_of(gateway, project)
    reason = refused(left)
    if left is not None and reason is not None:
        raise Problem(
            429,
            "budget_spent",
            reason,
            retry_after=(left.refills_at - now).total_seconds(),
            refills_at=left.refills_at.isoformat(),
        )


def quota_exceeded(what: str, count: int, limit: int) -> Problem:
    """The 429 of a quota, with the numbers the old clients read."""
    return Problem(
        429,
        "quota_exceeded",
        f"The quota of {limit} {what} is used up ({count}).",
        current_count=count,
        limit=limit,
        requested=1,
    )


async def _keep_token(gateway: Gateway, job_id: str, token: str) -> None:
    """Before the lock: whoever publishes the request, the token is there when a runner claims the job."""
    sealed = base64.b64encode(gateway.sealing().seal(token.encode(), job_id)).decode()
    await gateway.job_secrets.put(subjects.key(job_id), SealedSecret(sealed=sealed, created_at=gateway.clock.now()))


async def _lock(gateway: Gateway, request: FixRequest) -> str:
    """The id of the job that holds the cluster after this call: the request's own, or a live one's."""
    name = subjects.key("fix", request.project_id, request.cluster_id)
    mine = FixLock(job_id=request.job_id, request=request, created_at=request.created_at)
    while True:
        try:
            await gateway.locks.create(name, mine)
            await publish(gateway, request)
            return request.job_id
        except Conflict:
            held = await gateway.locks.get(name)
        if held is None or held.value is None:
            continue
        job = await gateway.jobs.state.get(subjects.key(request.project_id, held.value.job_id))
        if held.value.job_id == request.job_id and (job is None or job.value is None):
            await publish(gateway, held.value.request)
            return request.job_id
        if held.value.job_id == request.job_id:
            return request.job_id
        if job is None or job.value is None:
            await publish(gateway, held.value.request)  # its sender may have died between lock and publish
            return held.value.job_id
        if not job.value.terminal:
            return held.value.job_id
        try:
            await gateway.locks.replace(name, mine, held.revision)
        except Conflict:
            continue
        await publish(gateway, request)
        return request.job_id


async def publish(gateway: Gateway, request: FixRequest) -> None:
    """Store the request; the job id is the message id, so that a repeat is stored once."""
    subject = subjects.fix_request(request.project_id, request.cluster_id)
    await gateway.publish(subject, encode(request), msg_id=request.job_id)


def _fitting(request: FixRequest) -> FixRequest:
    """The request with less evidence when it would outgrow a message (1 MiB)."""
    while len(encode(request)) > 900_000 and request.cluster.evidence:
        evidence = request.cluster.evidence[: len(request.cluster.evidence) // 2]
        request = structs.replace(request, cluster=structs.replace(request.cluster, evidence=evidence))
    return request


async def job_of(gateway: Gateway, project: str, job_id: str) -> Job:
    """The whole record of a job; Problem 404."""
    entry = await gateway.job_records.get(subjects.key(project, job_id))
    if entry is None or entry.value is None:
        raise not_found("Job not found")
    return entry.value


async def cancel(gateway: Gateway, project: str, job_id: str, reason: str, who: str) -> None:
    """Ask the orchestrator to cancel; harmless when repeated."""
    request = CancelRequest(
        job_id=job_id, project_id=project, reason=reason, requested_by=who, created_at=gateway.clock.now()
    )
    await gateway.publish(
        subjects.cancel_request(project, job_id), encode(request), msg_id=ids.derived("cancel", project, job_id)
    )
    log.info("cancel.requested", job_id=job_id, project_id=project)
