"""Calls of the attempt's holder. The attempt number is the fencing token: a call with another one changes nothing."""

from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import structs

from schemas.attempts import AttemptCall, AttemptEvent, AttemptReply
from schemas.budgets import booked
from schemas.errors import Failure
from schemas.jobs import TERMINAL, Job, Phase, Waiting
from schemas.similarity import changed_files
from services.orchestrator.model.changes import attempt_failed, cancelled, ended, failed, in_seconds, moved
from services.orchestrator.model.events import Decision, lost
from services.orchestrator.model.rules import Rules, phase_seconds

TOLD_BY_RUNNER: Final[tuple[Phase, ...]] = ("provisioning", "checkout", "agent", "verifying", "gating")


def claim(job: Job, call: AttemptCall, now: datetime, rules: Rules) -> Decision:
    """Take the attempt. Exactly one instance gets it; its own repeated claim is answered the same."""
    if _holds(job, call):
        return Decision(reply=_ok(job))
    refusal = _not_claimable(job, call)
    if refusal is not None:
        return lost(refusal)
    after = moved(
        job,
        now,
        f"attempt {job.attempt} taken by {call.instance}",
        status="running",
        claimed=True,
        instance=call.instance,
        started_at=job.started_at or now,
        lease_until=now + timedelta(seconds=rules.lease),
        phase_deadline=in_seconds(now, rules.provisioning, job.deadline),
    )
    return Decision(after, _ok(after))


def _not_claimable(job: Job, call: AttemptCall) -> str | None:
    if job.status in TERMINAL:
        return f"the job is {job.status}"
    if call.runner != job.runner:
        return f"the job belongs to runner {job.runner}"
    if call.attempt != job.attempt:
        return f"attempt {call.attempt} is over, the job is at attempt {job.attempt}"
    if job.claimed:
        return f"{job.instance} holds the attempt"
    if job.phase != "provisioning":
        return "the job went back to the queue"
    return None


def heartbeat(job: Job, call: AttemptCall, now: datetime, rules: Rules) -> Decision:
    """Renew the lease, take over phase, usage and artifact keys, and carry a cancel to the runner."""
    if not _holds(job, call):
        return lost(_why_lost(job, call))
    changes = _facts(job, call, now) | {"lease_until": now + timedelta(seconds=rules.lease)}
    after = _in_phase(job, call.phase, now, rules, changes)
    if call.waiting != job.waiting:
        after = _held_up(after, call.waiting, now, rules)
    if after.cancel_requested is not None:
        return Decision(after, AttemptReply(answer="cancel", token=job.attempt, reason=after.cancel_requested))
    return Decision(after, _ok(after))


def _held_up(job: Job, waiting: Waiting | None, now: datetime, rules: Rules) -> Job:
    """Told to people; the phase's time is not spent by waiting for somebody who says until when."""
    limit = job.phase_deadline
    if job.cancel_requested is None and waiting is not None:
        limit = max(limit, min(waiting.until + timedelta(seconds=rules.publish), job.deadline))
    elif job.cancel_requested is None:
        limit = in_seconds(now, phase_seconds(job.phase, job.request.limits, rules), job.deadline)
    message = waiting.reason if waiting is not None else f"{job.phase} goes on"
    return moved(job, now, message, waiting=waiting, phase_deadline=limit)


def progress(job: Job, told: AttemptEvent, now: datetime, rules: Rules) -> Decision:
    """A published fact moves the shown phase before the next heartbeat does; it renews nothing.

    Only forwards: it may be read after a heartbeat that already told of a later phase.
    """
    held = job.claimed and (told.attempt, told.instance) == (job.attempt, job.instance)
    if told.kind != "phase" or not held or not _moves(job, told.phase) or _order(told.phase) < _order(job.phase):
        return Decision()
    return Decision(_in_phase(job, told.phase, now, rules, {}))


def publish(job: Job, call: AttemptCall, now: datetime, rules: Rules) -> Decision:
    """Ask for the right to push and to open the pull request.

    Refused after a cancel, and once granted a cancel is refused: no pull request appears after ``cancelled`` is shown.
    """
    if not _holds(job, call):
        return lost(_why_lost(job, call))
    facts = _facts(job, call, now) | {"lease_until": now + timedelta(seconds=rules.lease)}
    if job.cancel_requested is not None:
        after = structs.replace(job, updated_at=now, **facts)
        return Decision(after, AttemptReply(answer="cancel", token=job.attempt, reason=job.cancel_requested))
    if job.publishing and job.phase == "publishing":
        return Decision(structs.replace(job, updated_at=now, **facts), _ok(job))
    if job.deadline - now < timedelta(seconds=rules.publish_reserve) and not job.publishing:
        failure = Failure(kind="deadline", reason="too little of the job's time is left to publish", action="Retry it.")
        return Decision(
            failed(job, failure, now, **_facts(job, call, now)), AttemptReply(answer="lost", reason=failure.reason)
        )
    deadline = in_seconds(now, rules.publish, job.deadline)
    after = moved(job, now, phase="publishing", publishing=True, phase_deadline=deadline, **facts)
    return Decision(after, _ok(after))


def finish(job: Job, call: AttemptCall, now: datetime, rules: Rules) -> Decision:
    """The attempt is over. A repeated finish of the same holder is answered ok and changes nothing."""
    if not _holds(job, call):
        same = not job.claimed and (call.attempt, call.instance) == (job.attempt, job.instance)
        return Decision(reply=_ok(job)) if same and _agrees(job, call) else lost(_why_lost(job, call))
    return Decision(_finished(job, call, now, rules), _ok(job))


def _finished(job: Job, call: AttemptCall, now: datetime, rules: Rules) -> Job:
    facts = _facts(job, call, now)
    if call.outcome == "success" and job.publishing and call.pr_url:
        done = {"failure": None, "pr_url": call.pr_url, "touches": _touched(job, call)}
        return ended(job, "success", now, call.pr_url, **facts | done)
    if job.cancel_requested is not None:
        return cancelled(job, job.cancel_requested, now, **facts)
    if call.outcome == "needs_review":
        return ended(job, "needs_review", now, "held for review", **facts | {"failure": call.failure})
    return attempt_failed(job, call.failure or _unexplained(call), now, rules, **facts)


def _touched(job: Job, call: AttemptCall) -> list[str]:
    report = call.report or job.report
    return changed_files(report.changed_files) if report and report.changed_files else job.touches


def _unexplained(call: AttemptCall) -> Failure:
    """An outcome that its own call does not bear out is a fault of ours, never a result."""
    match call.outcome:
        case "success":
            reason = "the runner reported success without the right to publish or without a pull request"
        case "cancelled":
            reason = "the runner stopped the attempt on its own"
        case _:
            reason = f"the runner ended the attempt as {call.outcome or 'nothing'} and gave no reason"
    return Failure(kind="infrastructure", reason=reason, action="See the job's log.")


def _agrees(job: Job, call: AttemptCall) -> bool:
    """Whether the record is what this finish made of it: ended with its outcome, or on the way to another attempt."""
    return call.outcome == job.status or (job.status not in TERMINAL and call.outcome in ("failed", "cancelled"))


def _in_phase(job: Job, phase: Phase | None, now: datetime, rules: Rules, changes: dict[str, Any]) -> Job:
    if phase is None or not _moves(job, phase):
        return structs.replace(job, updated_at=now, **changes)
    if job.cancel_requested is None:  # once cancelled, the time to end must not be pushed out by moving on
        limit = phase_seconds(phase, job.request.limits, rules)
        changes = changes | {"phase_deadline": in_seconds(now, limit, job.deadline)}
    return moved(job, now, phase=phase, **changes)


def _moves(job: Job, phase: Phase | None) -> bool:
    """``publishing`` is entered only by the publish call and left only by finish."""
    return phase in TOLD_BY_RUNNER and phase != job.phase and job.phase != "publishing"


def _order(phase: Phase | None) -> int:
    return TOLD_BY_RUNNER.index(phase) if phase in TOLD_BY_RUNNER else -1


def _facts(job: Job, call: AttemptCall, now: datetime) -> dict[str, Any]:
    facts = {name: getattr(call, name) for name in ("usage", "report", "branch", "patch_key", "bundle_key")}
    if call.usage is not None:
        facts["spending"] = booked(job.spending, job.usage, call.usage, now)
    return {name: value for name, value in facts.items() if value is not None}


def _holds(job: Job, call: AttemptCall) -> bool:
    return job.claimed and (call.attempt, call.instance, call.runner) == (job.attempt, job.instance, job.runner)


def _why_lost(job: Job, call: AttemptCall) -> str:
    return _not_claimable(job, call) or "the attempt was never claimed"


def _ok(job: Job) -> AttemptReply:
    return AttemptReply(answer="ok", token=job.attempt)
