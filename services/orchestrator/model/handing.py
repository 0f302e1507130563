"""Handing a job to the runners of its name, and telling why it has to wait."""

from datetime import datetime

from msgspec import structs

from schemas import subjects
from schemas.errors import Failure
from schemas.jobs import TERMINAL, Job
from services.orchestrator.model.changes import failed, in_seconds, moved
from services.orchestrator.model.events import Broke, Decision, Wait
from services.orchestrator.model.rules import Rules


def hand_out(job: Job, now: datetime, rules: Rules) -> Decision:
    """A slot is free: a new attempt with the next fencing token. Nothing when the job no longer waits."""
    if not waits(job) or (job.not_before is not None and now < job.not_before) or now >= job.phase_deadline:
        return Decision()
    return Decision(handed_out(job, now, rules))


def handed_out(job: Job, now: datetime, rules: Rules) -> Job:
    """The job as a task on its runner's subject, waiting to be claimed."""
    return moved(
        job,
        now,
        f"handed to {job.runner}",
        send=subjects.runner_task(job.runner, job.project_id, job.id),
        phase="provisioning",
        attempt=job.attempt + 1,
        claimed=False,
        instance=None,
        not_before=None,
        waiting=None,
        lease_until=None,
        failure=None,
        phase_deadline=in_seconds(now, rules.claim, job.deadline),
    )


def broke(job: Job, event: Broke, now: datetime) -> Decision:
    """A job that waits ends: it might wait for days. One whose patch only awaits publishing costs nothing more."""
    if not waits(job) or job.request.approve_patch is not None:
        return Decision()
    return Decision(failed(job, budget_spent(event.reason), now))


def budget_spent(reason: str) -> Failure:
    """As a failure that is not retried."""
    return Failure(kind="budget", reason=reason, action="Start the fix again then, or raise the project's budget.")


def wait(job: Job, event: Wait, now: datetime, rules: Rules) -> Decision:
    """Tell once why the job does not move. A fatal reason shortens the wait: it needs a person, not patience.

    The reason is kept in ``failure`` so that every replica knows it was told.
    """
    if not waits(job) or (job.failure is not None and job.failure.reason == event.reason):
        return Decision()
    if job.waiting is not None and job.not_before is not None and now < job.not_before:
        return Decision()  # held until a time that was told: whoever is missing meanwhile is not missed
    told = Failure(kind="configuration", reason=event.reason, action=event.action)
    deadline = in_seconds(now, rules.no_runner if event.fatal else rules.queue, job.deadline)
    return Decision(moved(job, now, event.reason, failure=told, waiting=None, phase_deadline=deadline))


def unclaimed(job: Job, now: datetime, rules: Rules) -> Job:
    """Nobody took the task in time: back to the queue. No attempt was made, so none counts as failed."""
    told = Failure(
        kind="configuration",
        reason=f"no runner called {job.runner} took the job within {rules.claim:.0f} s",
        action="See GET /runners: is one alive and free?",
    )
    deadline = in_seconds(now, rules.queue, job.deadline)
    return moved(job, now, told.reason, phase="queued", failure=told, phase_deadline=deadline)


def waited_too_long(job: Job, now: datetime) -> Job:
    """The queue's deadline passed; the reason told while waiting becomes the failure."""
    told = job.failure
    if told is None:
        told = Failure(kind="deadline", reason="no slot became free in time", action="Raise the concurrency limits.")
    return failed(job, told, now)


def waits(job: Job) -> bool:
    """In the queue, now or after a back-off."""
    return job.phase == "queued" and job.status not in TERMINAL


def sent(job: Job, ids: frozenset[str]) -> Decision:
    """Forget outbox entries that are stored in their streams; not a visible change."""
    rest = [entry for entry in job.outbox if entry.msg_id not in ids]
    return Decision() if len(rest) == len(job.outbox) else Decision(structs.replace(job, outbox=rest))
