"""Fixes: started, repeated, released, cancelled."""

from typing import Any

from schemas.jobs import TERMINAL
from services.gateway import agent_jobs, fixing
from services.gateway.fixing import Wish
from services.gateway.job_index import JobView
from services.gateway.problems import Problem, invalid, not_found
from services.gateway.shapes import fixes as shapes
from services.gateway.shapes.base import OpenBody
from services.gateway.table import Call, Route


def github_token(call: Call) -> str | None:
    """The user's own token, sealed for the job's runner and never logged or stored in the clear."""
    token = call.request.headers.get("X-GitHub-Token", "").strip()
    if not token:
        return None
    if len(token) > 1000 or not token.isascii() or not token.isprintable():
        raise invalid("X-GitHub-Token", "is not a token")
    return token


def key_of(call: Call) -> str | None:
    """What the job id is derived from: the Idempotency-Key, bound to the path."""
    key = call.request.headers.get("Idempotency-Key")
    return f"{call.request.path} {key}" if key else None


async def start_fix(call: Call) -> dict[str, Any]:
    """Start a fix. Answers on the publish ack; no other service is asked on this path."""
    body: shapes.StartFix = call.body
    project = await call.gateway.project(call.project_id)
    wish = Wish(
        cluster_id=call.path("cluster_id"),
        requested_by=call.who,
        key=key_of(call),
        runner=body.runner,
        agent=body.agent,
        plan_version=body.plan_version,
        repo_url=body.repo_url,
        base_branch=body.base_branch,
        token=github_token(call),
        force=body.force,
    )
    job_id = await fixing.start(call.gateway, project, wish)
    return {
        "status": "ok",
        "message": f"Fix started with runner {body.runner}" if body.runner else "Fix started",
        "job_id": job_id,
        "cluster_id": wish.cluster_id,
        "project_id": project.id,
    }


async def create_job(call: Call) -> dict[str, Any]:
    """The same, by the old route."""
    body: shapes.NewJob = call.body
    project = await call.gateway.project(call.project_id)
    wish = Wish(
        cluster_id=body.cluster_id,
        requested_by=call.who,
        key=key_of(call),
        runner=body.runner,
        agent=body.agent,
        token=github_token(call),
        force=body.force,
    )
    return _started(call, await fixing.start(call.gateway, project, wish))


async def retry_job(call: Call) -> dict[str, Any]:
    """Another job for the same cluster, which goes on from the work the old one saved."""
    body: shapes.Again = call.body
    job = await fixing.job_of(call.gateway, call.project_id, call.path("job_id"))
    if job.status not in TERMINAL:
        raise Problem(409, "job_not_ended", f"The job is {job.status}; only a job that has ended can be repeated.")
    project = await call.gateway.project(call.project_id)
    old = job.request
    wish = Wish(
        cluster_id=job.cluster_id,
        requested_by=call.who,
        key=key_of(call),
        runner=old.runner,
        agent=old.agent,
        repo_url=old.repo_url,
        base_branch=old.base_branch,
        token=github_token(call),
        retry_of=job.id,
        force=body.force or old.force,
        limits=old.limits,
        follow_up=old.follow_up,
        plan=job.plan if old.follow_up else None,
    )
    return _started(call, await fixing.start(call.gateway, project, wish))


async def approve_job(call: Call) -> dict[str, Any]:
    """Release a patch that the gate held: a new job publishes exactly that patch."""
    job = await fixing.job_of(call.gateway, call.project_id, call.path("job_id"))
    if job.status != "needs_review" or not job.patch_key:
        raise Problem(409, "nothing_held", f"The job is {job.status}; only a patch held for review can be approved.")
    done = call.gateway.jobs.released(call.project_id, job.id, job.patch_key)
    if done is not None:
        raise Problem(409, "already_approved", f"The patch was released by job {done.id}.", job_id=done.id)
    project = await call.gateway.project(call.project_id)
    old = job.request
    wish = Wish(
        cluster_id=job.cluster_id,
        requested_by=call.who,
        key=key_of(call),
        runner=job.runner or old.runner,
        agent=old.agent,
        repo_url=old.repo_url,
        base_branch=old.base_branch,
        token=github_token(call),
        retry_of=job.id,
        approve_patch=job.patch_key,
        limits=old.limits,
        follow_up=old.follow_up,
        plan=job.plan if old.follow_up else None,
    )
    return _started(call, await fixing.start(call.gateway, project, wish))


def _started(call: Call, job_id: str) -> dict[str, Any]:
    return {"status": "ok", "job_id": job_id, "project_id": call.project_id}


async def view_of(call: Call) -> JobView:
    """The job named in the path as stored now; a request accepted a moment ago counts. Problem 404."""
    gateway, job_id = call.gateway, call.path("job_id")
    entry = await gateway.jobs.state.get(f"{call.project_id}.{job_id}")
    view = entry.value if entry and entry.value else gateway.jobs.get(call.project_id, job_id)
    if view is None:
        raise not_found("Job not found")
    return view


async def cancel_job(call: Call) -> dict[str, Any]:
    """Cancel at any step; the runner stops within seconds and nothing is published afterwards."""
    body: shapes.Cancel = call.body
    view = await view_of(call)
    if view.terminal:
        if view.status == "cancelled":
            return {"status": "ok", "message": "The job is cancelled", "project_id": call.project_id}
        raise Problem(409, "job_ended", agent_jobs.why_refused(view.status, "cancelled"))
    await fixing.cancel(call.gateway, call.project_id, view.id, body.reason, call.who)
    return {"status": "ok", "message": "Cancelling", "project_id": call.project_id}


async def change_job(call: Call) -> dict[str, Any]:
    """``{status: "cancelled"}`` cancels; what is so already changes nothing; every other step is its runner's: 409."""
    body: shapes.JobChange = call.body
    view = await view_of(call)
    step = agent_jobs.step(view.status, body.status)
    if step == "refuse":
        raise Problem(
            409, "illegal_step", agent_jobs.why_refused(view.status, str(body.status)), job_status=view.status
        )
    if body.logs or body.pr_url not in (None, "", view.pr_url):
        raise Problem(409, "runner_writes", "logs and pr_url are written by the job's runner only.")
    if step == "nothing":
        return {"status": "ok", "message": "No updates provided", "project_id": call.project_id}
    await fixing.cancel(call.gateway, call.project_id, view.id, "", call.who)
    return {"status": "ok", "message": "Cancelling", "project_id": call.project_id}


def _again(path: str, handler: Any, summary: str, body: type[OpenBody] | None = None) -> Route:
    return Route(
        method="POST",
        path=f"/jobs/{{job_id}}/{path}",
        handler=handler,
        summary=summary,
        tag="jobs",
        role="operator",
        starts_work=True,
        body=body,
        body_optional=True,
        takes=("X-GitHub-Token",),
        answer=shapes.JobStarted,
        also=(404, 409, 429, 503),
    )


ROUTES = (
    Route(
        method="POST",
        path="/clusters/{cluster_id}/start_fix",
        handler=start_fix,
        summary="Start a fix",
        tag="jobs",
        role="operator",
        body=shapes.StartFix,
        body_optional=True,
        starts_work=True,
        takes=("X-GitHub-Token",),
        answer=shapes.FixStarted,
        also=(404, 409, 429, 503),
    ),
    Route(
        method="POST",
        path="/jobs",
        handler=create_job,
        summary="Start a fix (old route)",
        tag="jobs",
        role="operator",
        body=shapes.NewJob,
        starts_work=True,
        takes=("X-GitHub-Token",),
        answer=shapes.JobStarted,
        also=(404, 409, 429, 503),
    ),
    Route(
        method="PATCH",
        path="/jobs/{job_id}",
        handler=change_job,
        summary="Cancel a job by its status",
        tag="jobs",
        role="operator",
        body=shapes.JobChange,
        answer=shapes.JobChanged,
        also=(404, 409, 503),
    ),
    Route(
        method="POST",
        path="/jobs/{job_id}/cancel",
        handler=cancel_job,
        summary="Cancel a job",
        tag="jobs",
        role="operator",
        body=shapes.Cancel,
        body_optional=True,
        answer=shapes.JobChanged,
        also=(404, 409, 503),
    ),
    _again("retry", retry_job, "Repeat a job that has ended", shapes.Again),
    _again("approve", approve_job, "Release a patch held by the gate"),
)
