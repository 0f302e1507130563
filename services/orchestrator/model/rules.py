"""The numbers and policies that the state machine obeys."""

from datetime import timedelta
from typing import Final

import msgspec

from schemas.errors import FailureClass
from schemas.jobs import Limits, Phase


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """All durations in seconds. The defaults are the settings' defaults."""

    default_runner: str = "sandbox_kilo"
    max_attempts: int = 3
    lease: float = 15.0  # a runner unheard of for so long is lost
    claim: float = 30.0  # handed out, not claimed: back to the queue
    queue: float = 21_600.0  # waiting for a slot
    no_runner: float = 60.0  # all live runners say they cannot work
    plan: float = 600.0
    check_after: float = 600.0  # a plan not compared with its branch for so long is checked before its fix starts
    check: float = 30.0  # a planner that does not answer the check in time holds up no fix
    provisioning: float = 300.0
    checkout: float = 900.0  # with the repository's own set-up
    agent_margin: float = 120.0  # beyond the attempt's own wall clock
    verifying: float = 1_800.0
    gating: float = 300.0
    publish: float = 300.0
    publish_reserve: float = 60.0  # no right to publish when less than this is left of the job
    cancel: float = 60.0  # a cancelled attempt that does not end is cut off
    evidence_bytes: int = 256 * 1024


RETRIED: Final[dict[FailureClass, tuple[float, ...]]] = {
    "infrastructure": (5.0, 15.0, 45.0),
    "lost_runner": (1.0, 5.0, 15.0),
    "model_unavailable": (15.0, 60.0, 120.0),
    "agent": (2.0,),
}
"""Failure class -> delay before the next attempt, by how many attempts of the job have failed; others never retry."""

ONCE: Final[frozenset[FailureClass]] = frozenset({"agent"})


def retry_delay(kind: FailureClass, earlier: list[FailureClass], rules: Rules) -> float | None:
    """Seconds until the next attempt after a failure of ``kind``; None when there is to be none."""
    delays = RETRIED.get(kind)
    if delays is None or len(earlier) + 1 >= rules.max_attempts or (kind in ONCE and kind in earlier):
        return None
    return delays[min(len(earlier), len(delays) - 1)]


def phase_seconds(phase: Phase, limits: Limits, rules: Rules) -> float:
    """How long a job may stay in a phase of a claimed attempt."""
    match phase:
        case "provisioning":
            return rules.provisioning
        case "checkout":
            return rules.checkout
        case "agent":
            return limits.wall_seconds + rules.agent_margin
        case "verifying":
            return rules.verifying
        case "gating":
            return rules.gating
        case "publishing":
            return rules.publish
        case _:
            return rules.queue


def job_time(limits: Limits, rules: Rules) -> timedelta:
    """Everything a job may take: planning, waiting, and all attempts at their full length."""
    attempt = rules.provisioning + rules.checkout + rules.verifying + rules.gating + rules.publish
    attempt += limits.wall_seconds + rules.agent_margin + rules.claim
    return timedelta(seconds=rules.plan + rules.queue + rules.max_attempts * attempt)
