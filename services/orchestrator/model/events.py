"""What can happen to a job, and the answer of the state machine."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from schemas.attempts import AttemptCall, AttemptEvent, AttemptReply
from schemas.errors import Failure
from schemas.jobs import FixRequest, Job, Similar
from schemas.plans import Plan


@dataclass(frozen=True, slots=True)
class Decision:
    """``job`` is the record to write (None: leave it), ``reply`` the answer to an attempt's call."""

    job: Job | None = None
    reply: AttemptReply | None = None


def lost(reason: str) -> Decision:
    """The caller does not hold the attempt; nothing changes."""
    return Decision(reply=AttemptReply(answer="lost", reason=reason))


@dataclass(frozen=True, slots=True)
class Create:
    """A fix was asked for. ``plan`` is the cluster's current plan, ``prior`` the job that ``retry_of`` names,
    ``rival`` a live job of the same cluster, ``similar`` other open work of the same kind; ``runner`` is the project's
    choice when the request names none."""

    request: FixRequest
    plan: Plan | None = None
    prior: Job | None = None
    rival: str | None = None
    similar: tuple[Similar, ...] = ()
    runner: str | None = None
    known_runner: bool = True
    broke: str | None = None  # the project's budget is spent: when it refills
    slot: bool = False  # a slot is free and nobody waits before us: hand out in the same write


@dataclass(frozen=True, slots=True)
class Planned:
    """The planner's outcome of ``request_id``: a plan or a failure; after a check ``stale`` and its ``note``."""

    request_id: str
    plan: Plan | None = None
    failure: Failure | None = None
    stale: bool | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class HandOut:
    """A slot is free for this job."""


@dataclass(frozen=True, slots=True)
class Broke:
    """The project's budget ran out before the job was handed out; ``reason`` says when it refills."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """No slot can be had, for a reason that people are told. ``fatal``: it will not pass by itself."""

    reason: str
    action: str = ""
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    call: AttemptCall


@dataclass(frozen=True, slots=True)
class Heartbeat:
    call: AttemptCall


@dataclass(frozen=True, slots=True)
class Publish:
    call: AttemptCall


@dataclass(frozen=True, slots=True)
class Finish:
    call: AttemptCall


@dataclass(frozen=True, slots=True)
class Progress:
    """A fact a runner published; moves the phase shown, renews nothing."""

    told: AttemptEvent


@dataclass(frozen=True, slots=True)
class Cancel:
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """An observer saw ``lease_until`` unchanged for a whole lease by its own monotonic clock.

    Comparing for sameness, never with a wall clock, keeps clock skew between replicas from stealing a live lease
    (the observed-time rule of Kubernetes' client-go leader election).
    """

    lease_until: datetime


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: apply the deadlines."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The outbox entries of these ids are stored in their streams."""

    ids: frozenset[str]


Event: TypeAlias = (
    Create
    | Planned
    | HandOut
    | Broke
    | Wait
    | Claim
    | Heartbeat
    | Publish
    | Finish
    | Progress
    | Cancel
    | LeaseLost
    | Tick
    | Sent
)
