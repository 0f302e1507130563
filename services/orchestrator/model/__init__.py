"""The job's state machine as one pure function: ``decide(job, event, now, rules) -> Decision``.

No async, no clock, no broker: whoever calls it reads the record, asks for a decision and writes the new record with
compare-and-set. The messages that a new state implies are in its ``outbox``.
"""

from datetime import datetime

from schemas.jobs import Job
from services.orchestrator.model import attempts, cancelling, creation, deadlines, handing, planning
from services.orchestrator.model.events import (
    Broke,
    Cancel,
    Claim,
    Create,
    Decision,
    Event,
    Finish,
    HandOut,
    Heartbeat,
    LeaseLost,
    Planned,
    Progress,
    Publish,
    Sent,
    Tick,
    Wait,
    lost,
)
from services.orchestrator.model.rules import Rules

__all__ = ["Decision", "Event", "Rules", "decide"]


def decide(job: Job | None, event: Event, now: datetime, rules: Rules) -> Decision:
    """What becomes of ``job`` (None: no record yet). ``Decision.job`` is None when nothing is to be written."""
    if job is None:
        if isinstance(event, Create):
            return creation.create(event, now, rules)
        return lost("there is no such job") if isinstance(event, Claim | Heartbeat | Publish | Finish) else Decision()
    if isinstance(event, Claim | Heartbeat | Publish | Finish):
        return _call(job, event, now, rules)
    return _own(job, event, now, rules)


def _call(job: Job, event: Claim | Heartbeat | Publish | Finish, now: datetime, rules: Rules) -> Decision:
    match event:
        case Claim(call):
            return attempts.claim(job, call, now, rules)
        case Heartbeat(call):
            return attempts.heartbeat(job, call, now, rules)
        case Publish(call):
            return attempts.publish(job, call, now, rules)
        case Finish(call):
            return attempts.finish(job, call, now, rules)


def _own(job: Job, event: Event, now: datetime, rules: Rules) -> Decision:
    match event:
        case Progress(told):
            return attempts.progress(job, told, now, rules)
        case Planned():
            return planning.planned(job, event, now, rules)
        case HandOut():
            return handing.hand_out(job, now, rules)
        case Broke():
            return handing.broke(job, event, now)
        case Wait():
            return handing.wait(job, event, now, rules)
        case Cancel(reason):
            return cancelling.cancel(job, reason, now, rules)
        case LeaseLost(lease_until):
            return deadlines.lease_lost(job, lease_until, now, rules)
        case Tick():
            return deadlines.tick(job, now, rules)
        case Sent(ids):
            return handing.sent(job, ids)
        case _:  # Create on an existing record: the request was delivered again
            return Decision()
