"""The messages a record implies.

Small ones are kept as text in the outbox. A task and a plan request carry the cluster and the plan, so their outbox
entry holds no data: they are built again from the record, which keeps the record far below the broker's 1 MiB.
"""

from typing import Final

from schemas import subjects
from schemas.attempts import RunnerTask
from schemas.base import encode
from schemas.jobs import TERMINAL, Job, JobEvent, Outgoing
from schemas.plans import PlanRequest

MAX_CLUSTER_TITLE: Final = 300


def branch_of(job_id: str) -> str:
    """One branch a job, whatever the attempt."""
    return f"soulcaster/{job_id.lower()}"


def key_of(project: str, job: str) -> str:
    """The job's key in KV ``jobs``."""
    return subjects.key(project, job)


def event_entry(job: Job, message: str) -> Outgoing:
    """The status event of the job's current ``event_seq``."""
    event = JobEvent(
        n=job.event_seq,
        job_id=job.id,
        project_id=job.project_id,
        cluster_id=job.cluster_id,
        status=job.status,
        phase=job.phase,
        attempt=job.attempt,
        runner=job.runner,
        pr_url=job.pr_url,
        failure=job.failure if job.status in TERMINAL else None,
        usage=job.usage,
        message=message,
        follow_up_of=job.request.follow_up.of if job.request.follow_up else None,
        at=job.updated_at,
    )
    subject = subjects.job_status(job.project_id, job.id)
    return Outgoing(subject=subject, msg_id=f"{job.id}.{job.event_seq}.0", data=encode(event).decode())


def built_entry(job: Job, subject: str) -> Outgoing:
    """An entry whose bytes are built from the record when it is published."""
    return Outgoing(subject=subject, msg_id=f"{job.id}.{job.event_seq}.1", data="")


def render(job: Job, entry: Outgoing) -> bytes | None:
    """The bytes of an outbox entry; None when the job has moved on and the message would be stale."""
    if entry.data:
        return entry.data.encode()
    if job.phase == "planning":
        return encode(plan_request(job))
    if job.phase == "provisioning" and not job.claimed:
        return encode(runner_task(job))
    return None


def runner_task(job: Job) -> RunnerTask:
    """The task of the job's current attempt."""
    plan = job.plan
    assert plan is not None, "a job is handed out only with a plan"
    return RunnerTask(
        job_id=job.id,
        project_id=job.project_id,
        cluster_id=job.cluster_id,
        runner=job.runner,
        attempt=job.attempt,
        cluster=job.request.cluster,
        plan=plan,
        repo_url=job.request.repo_url,
        base_branch=plan.base_branch,
        base_commit="" if job.request.follow_up else plan.base_commit,
        branch=job.branch or branch_of(job.id),
        limits=job.request.limits,
        deadline=job.deadline,
        has_secret=job.request.has_secret,
        spent=job.usage,
        resume_key=job.bundle_key,
        approve_patch=job.request.approve_patch,
        fork=job.request.fork,
        agent=job.request.agent,
        follow_up=job.request.follow_up,
        created_at=job.updated_at,
    )


def plan_request(job: Job) -> PlanRequest:
    """What the planner is asked: for a plan when the cluster has none that fits, else whether the job's is stale.

    A stale plan that binds nobody is made again by the same request.
    """
    return PlanRequest(
        id=job.plan_request_id or plan_request_id(job),
        action="check" if job.plan else "generate",
        expected_version=job.plan.version if job.plan else None,
        reground=job.plan is not None and not binding(job),
        project_id=job.project_id,
        cluster_id=job.cluster_id,
        cluster=job.request.cluster,
        repo_url=job.request.repo_url,
        base_branch=job.request.base_branch,
        job_id=job.id,
        requested_by="orchestrator",
        created_at=job.created_at,
    )


def plan_request_id(job: Job) -> str:
    """Follows from the job, so a repeated request is the same request."""
    return f"{job.id}-check" if job.plan else f"{job.id}-plan"


def binding(job: Job) -> bool:
    """Whether a person chose the job's plan: its version was named, or it is approved. It is then never replaced."""
    return job.request.plan_named or (job.plan is not None and job.plan.approved_by is not None)
