"""A job as HTTP shows it, and which steps a caller may ask of it. Pure."""

from typing import Any, Literal

import msgspec

from schemas.jobs import TERMINAL
from services.gateway.job_index import JobView

Step = Literal["nothing", "cancel", "refuse"]


def agent_job(view: JobView) -> dict[str, Any]:
    """The AgentJob of HTTP.md."""
    failure = view.failure
    return {
        "id": view.id,
        "project_id": view.project_id,
        "cluster_id": view.cluster_id,
        "plan_id": view.plan_id or (view.plan.id if view.plan else None),
        "runner": view.runner or view.request.runner,
        "agent": view.request.agent,
        "status": view.status,
        "phase": view.phase,
        "attempt": view.attempt,
        "logs": line(view),
        "pr_url": view.pr_url,
        "artifact_url": f"/jobs/{view.id}/patch?project_id={view.project_id}" if view.patch_key else None,
        "error": failure.reason if failure else None,
        "created_at": view.created_at,
        "updated_at": view.updated_at,
        "started_at": view.started_at,
        "finished_at": view.finished_at,
        "branch": view.branch,
        "repo_url": view.request.repo_url or None,
        "plan_version": view.plan.version if view.plan else view.request.plan_version,
        "retry_of": view.request.retry_of,
        "requested_by": view.request.requested_by,
        "follow_up_of": view.request.follow_up.of if view.request.follow_up else None,
        "cancel_requested": view.cancel_requested,
        "max_attempts": view.max_attempts,
        "failure": msgspec.to_builtins(failure) if failure else None,
        "usage": msgspec.to_builtins(view.usage),
        "limits": msgspec.to_builtins(view.request.limits),
        "left": left(view),
        "deadline": view.deadline,
        "not_before": view.not_before,
        "waiting": msgspec.to_builtins(view.waiting) if view.waiting else None,
    }


def left(view: JobView) -> dict[str, float]:
    """What the job may still use."""
    limits, used = view.request.limits, view.usage
    return {
        "tokens": max(limits.tokens - used.input_tokens - used.output_tokens, 0),
        "cost_usd": max(round(limits.cost_usd - used.cost_usd, 6), 0.0),
        "log_bytes": max(limits.log_bytes - used.log_bytes, 0),
    }


def line(view: JobView) -> str:
    """Where a job stands, in one line."""
    if view.failure is not None and view.status in TERMINAL:
        return f"{view.status}: {view.failure.reason} {view.failure.action}".strip()
    if view.status == "success":
        return f"Opened {view.pr_url}" if view.pr_url else "Done"
    if view.cancel_requested is not None and not view.terminal:
        return "Cancelling"
    if view.waiting is not None and not view.terminal:
        return f"{view.phase.capitalize()}: {view.waiting.reason}"
    if view.status in TERMINAL:
        return view.status.replace("_", " ").capitalize()
    return f"{view.phase.capitalize()} (attempt {view.attempt})" if view.attempt else view.phase.capitalize()


def step(current: str, wanted: str | None) -> Step:
    """What a PATCH of ``status`` means. Only cancelling is a caller's to do: every other step is its runner's."""
    if wanted is None or wanted == current:
        return "nothing"
    if current not in TERMINAL and wanted == "cancelled":
        return "cancel"
    return "refuse"


def why_refused(current: str, wanted: str) -> str:
    """The reason for a 409."""
    if current in TERMINAL:
        return f"The job has ended as {current}; it cannot become {wanted}. Start another with POST /jobs/{{id}}/retry."
    return f"A job moves from {current} to {wanted} only by its runner; a caller may only cancel it."
