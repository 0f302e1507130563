"""What time does to a job. No state is without a deadline, so every job ends, whatever is killed."""

from datetime import datetime

from schemas.errors import Failure
from schemas.jobs import TERMINAL, Job
from services.orchestrator.model.changes import attempt_failed, cancelled, failed
from services.orchestrator.model.events import Decision
from services.orchestrator.model.handing import unclaimed, waited_too_long
from services.orchestrator.model.planning import unchecked
from services.orchestrator.model.rules import Rules


def tick(job: Job, now: datetime, rules: Rules) -> Decision:
    """Apply the job's deadline, then the phase's."""
    if job.status in TERMINAL or now < min(job.phase_deadline, job.deadline):
        return Decision()
    if job.cancel_requested is not None:
        return Decision(cancelled(job, job.cancel_requested, now))
    if now >= job.deadline:
        return Decision(_out_of_time(job, now))
    return Decision(_phase_over(job, now, rules))


def lease_lost(job: Job, lease_until: datetime, now: datetime, rules: Rules) -> Decision:
    """The holder has not been heard of for a whole lease: its attempt is over."""
    if not job.claimed or job.lease_until != lease_until:
        return Decision()
    failure = Failure(
        kind="lost_runner",
        reason=f"runner {job.instance} was not heard of for {rules.lease:.0f} s during {job.phase}",
        action="See GET /runners and the runner's own log.",
    )
    return Decision(attempt_failed(job, failure, now, rules))


def _out_of_time(job: Job, now: datetime) -> Job:
    hours = (job.deadline - job.created_at).total_seconds() / 3600
    reason = f"the job did not end within its {hours:.1f} h (last phase: {job.phase})"
    return failed(
        job, Failure(kind="deadline", reason=reason, action="Retry it, with smaller limits or more runners."), now
    )


def _phase_over(job: Job, now: datetime, rules: Rules) -> Job:
    match job.phase:
        case "planning" if job.plan is not None:
            return unchecked(job, f"no answer of the planner within {rules.check:.0f} s", now, rules)
        case "planning":
            reason = f"the planner gave no plan within {rules.plan:.0f} s"
            failure = Failure(
                kind="planning", reason=reason, action="Is the planner running? See GET /readyz and its log."
            )
            return failed(job, failure, now)
        case "queued":
            return waited_too_long(job, now)
        case "provisioning" if not job.claimed:
            return unclaimed(job, now, rules)
        case "agent" | "verifying":
            reason = f"{job.phase} did not end in time and the runner did not stop it"
            return failed(
                job, Failure(kind="deadline", reason=reason, action="Raise limits.wall_seconds or retry."), now
            )
        case _:
            reason = f"{job.phase} did not end in time"
            return attempt_failed(job, Failure(kind="infrastructure", reason=reason, action="See the log."), now, rules)
