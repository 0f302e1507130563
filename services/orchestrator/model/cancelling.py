"""A person wants the job to stop."""

from datetime import datetime

from schemas.jobs import TERMINAL, Job
from services.orchestrator.model.changes import cancelled, in_seconds, moved
from services.orchestrator.model.events import Decision
from services.orchestrator.model.rules import Rules


def cancel(job: Job, reason: str, now: datetime, rules: Rules) -> Decision:
    """At once when no runner holds the job; else flagged, told with the next heartbeat, forced after ``rules.cancel``.

    Once the right to publish is out the cancel loses, also between two attempts: a pull request may already exist.
    """
    reason = reason or "cancelled on request"
    if job.status in TERMINAL or job.cancel_requested is not None:
        return Decision()
    if job.publishing:
        return Decision(moved(job, now, "too late to cancel: the branch is being published"))
    if not job.claimed:
        return Decision(cancelled(job, reason, now, cancel_requested=reason))
    limit = min(job.phase_deadline, in_seconds(now, rules.cancel, job.deadline))
    return Decision(moved(job, now, f"cancelling: {reason}", cancel_requested=reason, phase_deadline=limit))
