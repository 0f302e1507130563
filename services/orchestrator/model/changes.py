"""The three ways a record changes: a visible move, the end, and the end of one attempt."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import structs

from schemas.clusters import Cluster
from schemas.errors import Failure
from schemas.jobs import TERMINAL, Job, JobStatus, Outgoing, Waiting
from services.orchestrator.model import messages
from services.orchestrator.model.rules import Rules, retry_delay


def in_seconds(now: datetime, seconds: float, deadline: datetime) -> datetime:
    """A deadline inside the job's own."""
    return min(now + timedelta(seconds=seconds), deadline)


def moved(job: Job, now: datetime, message: str = "", *, send: str | None = None, **changes: Any) -> Job:
    """The job after a change that people see: the message to ``send`` and one status event in the outbox."""
    after = structs.replace(job, event_seq=job.event_seq + 1, updated_at=now, **changes)
    same_step = (job.attempt, job.phase) == (after.attempt, after.phase) and not after.claimed
    # An unsent task or plan request of a step that is over must not come out later under the next step's state.
    outbox: list[Outgoing] = [entry for entry in job.outbox if entry.data or same_step]
    if send is not None:
        # First, as somebody waits for it. The events keep their order even so: whoever writes the next one publishes
        # the whole outbox, the earlier event included.
        outbox.append(messages.built_entry(after, send))
    outbox.append(messages.event_entry(after, message))
    return structs.replace(after, outbox=outbox)


def ended(job: Job, status: JobStatus, now: datetime, message: str = "", **changes: Any) -> Job:
    """The job in a terminal state, compact: what was needed only to run it is dropped.

    ``attempt`` and ``instance`` stay, so that the last holder's repeated finish is recognised.
    """
    assert status in TERMINAL
    request = structs.replace(job.request, cluster=compact(job.request.cluster), plan=None)
    return moved(
        job,
        now,
        message,
        status=status,
        phase="done",
        request=request,
        claimed=False,
        waiting=None,
        publishing=False,
        not_before=None,
        lease_until=None,
        phase_deadline=min(now, job.deadline),
        finished_at=now,
        **changes,
    )


def failed(job: Job, failure: Failure, now: datetime, **changes: Any) -> Job:
    """Ended without a pull request, or, when the right to publish was out, with a branch a person should look at."""
    if job.publishing and failure.kind in ("lost_runner", "infrastructure", "deadline"):
        look = f"Publishing had begun: look for branch {job.branch or messages.branch_of(job.id)} in the repository"
        failure = structs.replace(failure, action=f"{look}. {failure.action}".rstrip(". ") + ".")
    return ended(job, "failed", now, failure.reason, failure=failure, **changes)


def cancelled(
    job: Job, reason: str, now: datetime, *, action: str = "Start a new fix when wanted.", **changes: Any
) -> Job:
    """Ended because a person asked, or before it began because other work stands in its way."""
    failure = Failure(kind="cancelled", reason=reason or "cancelled on request", action=action)
    return ended(job, "cancelled", now, failure.reason, failure=failure, **changes)


def attempt_failed(job: Job, failure: Failure, now: datetime, rules: Rules, **changes: Any) -> Job:
    """One attempt is over without a result: cancelled if asked, tried again if its class allows, else failed."""
    if job.cancel_requested is not None:
        return cancelled(job, job.cancel_requested, now, **changes)
    delay = retry_delay(failure.kind, [earlier.kind for earlier in job.history], rules)
    if delay is None:
        return failed(job, failure, now, **changes)
    at, held = _again(failure, now + timedelta(seconds=delay))
    if at >= job.deadline:
        return failed(job, failure, now, **changes)
    when = f"the next one starts at {at:%H:%M} UTC" if held else f"next one in {delay:.0f} s"
    return moved(
        job,
        now,
        f"attempt {len(job.history) + 1} of {rules.max_attempts} failed: {failure.reason}; {when}",
        phase="queued",
        claimed=False,
        waiting=held,
        lease_until=None,
        not_before=at,
        phase_deadline=in_seconds(at, rules.queue, job.deadline),
        failure=failure,
        history=[*job.history, failure],
        **changes,
    )


def _again(failure: Failure, earliest: datetime) -> tuple[datetime, Waiting | None]:
    """When to try again, and what people are told of it where somebody else's limit puts that off."""
    if failure.retry_at is None or failure.retry_at <= earliest:
        return earliest, None
    return failure.retry_at, Waiting(reason=failure.reason, until=failure.retry_at)


def compact(cluster: Cluster) -> Cluster:
    """The cluster without the bodies of its reports: enough to show the job, and for a retry with current evidence."""
    evidence = [structs.replace(report, body="", frames=[], title=report.title[:200]) for report in cluster.evidence]
    return structs.replace(cluster, evidence=evidence)
