"""How an attempt ends. Pure."""

from dataclasses import dataclass
from typing import Literal

from runner_core.protocols import Exit, Verdict
from schemas.errors import Failure
from schemas.jobs import Limits

Result = Literal["success", "failed", "cancelled", "needs_review"]


class AttemptFailed(Exception):
    """The attempt cannot go on; ``failure`` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class Stopped(Exception):
    """The attempt was cancelled or is somebody else's; the lease knows which."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What ``finish`` is told."""

    result: Result
    failure: Failure | None = None
    pr_url: str | None = None
    branch: str | None = None


def agent_failure(exit: Exit, verdict: Verdict, limits: Limits, proxy: Failure | None, stalled: bool) -> Failure | None:
    """Why the agent's run counts as failed; None when it ended by itself and well. The proxy's word weighs most."""
    if proxy is not None:
        return proxy
    if stalled:
        return Failure(
            kind="agent",
            reason="The agent hung: it printed nothing and asked the model nothing for too long.",
            action="It is tried once more; if it hangs again, narrow the plan.",
        )
    if exit.why not in ("exited", "signal"):
        return _ended(exit, limits)
    if exit.why == "signal":
        return Failure(kind="agent", reason="The agent was ended by a signal.", action="It is tried once more.")
    if verdict.failure is not None:
        return verdict.failure
    return None


def _ended(exit: Exit, limits: Limits) -> Failure:
    match exit.why:
        case "timeout":
            return Failure(
                kind="budget",
                reason=f"The agent did not end within {limits.wall_seconds} s.",
                action="Narrow the plan, or start the fix again with more time.",
            )
        case "memory":
            size = f"{limits.memory_bytes / 1024**3:.1f} GiB"
            return Failure(
                kind="agent",
                reason=f"The agent and its commands used more than {size} of memory.",
                action="It is tried once more; else raise the job's memory limit.",
            )
        case "processes":
            return Failure(
                kind="agent",
                reason=f"The agent started more than {limits.processes} processes.",
                action="It is tried once more; else look at the log for what started them.",
            )
        case "disk":
            return Failure(
                kind="agent",
                reason="The agent filled the sandbox's disk.",
                action="It is tried once more; else look at the log for what wrote so much.",
            )
    return Failure(kind="infrastructure", reason="The sandbox ended under the agent.", action="It is tried again.")


def no_changes(summary: str) -> Failure:
    """The agent ended well and left the tree as it was: never an empty pull request."""
    said = f" It said: {summary}" if summary else ""
    return Failure(
        kind="no_changes",
        reason=f"The agent changed nothing.{said}"[:2000],
        action="Read what it said, make the plan more concrete, and start the fix again.",
    )


def log_cap(limits: Limits) -> Failure:
    return Failure(
        kind="budget",
        reason=f"The job printed more than {limits.log_bytes // 1024**2} MiB.",
        action="Look at the log for what printed so much, then narrow the plan.",
    )


def internal(error: BaseException) -> Failure:
    """A fault of ours that has no better name."""
    return Failure(
        kind="infrastructure",
        reason=f"The runner failed: {type(error).__name__}: {error}"[:500],
        action="It is tried again; the runner's own log has the details.",
    )
