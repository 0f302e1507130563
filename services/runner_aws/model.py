"""What ECS says, read as failures of an attempt. Pure.

Sources: API reference of RunTask ("API failure reasons"), developer guide "Stopped tasks error messages".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from runner_core.protocols import Tag
from schemas.errors import Failure

AGAIN: Final = "It is tried again; health.aws.amazon.com tells of outages."
NO_ROOM: Final = "It is tried again; add subnets of other availability zones to ECS_SUBNET_IDS, or raise the quota."
# RESOURCE:CPU, RESOURCE:MEMORY, RESOURCE:ENI ..., AGENT, and texts of Fargate; all of them pass by.
CAPACITY = re.compile(r"^RESOURCE:|^AGENT$|[Cc]apacity|concurrently|try again later", re.M)
# The image, its registry or the execution role are wrong: trying again changes nothing.
WRONG = re.compile(r"not found|does not exist|denied|not authorized|no basic auth|AccessDenied|invalid reference", re.I)
STARTING: Final = ("PROVISIONING", "PENDING", "ACTIVATING")
ENDED: Final = ("DEPROVISIONING", "STOPPED")  # no container of the task runs any more
KEYS: Final = {"runner": "soulcaster:runner", "job": "soulcaster:job", "attempt": "soulcaster:attempt"}
PURPOSE, MAILBOX = "soulcaster:purpose", "soulcaster:mailbox"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A task that was not started, or ended before it was of use. ``elsewhere``: another subnet may do."""

    failure: Failure
    elsewhere: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """How a task ended. ``code`` is None when its container never started."""

    why: Literal["exited", "memory", "start", "spot", "asked", "other"]
    failure: Failure
    code: int | None = None
    elsewhere: bool = False


def refused(failures: Iterable[Mapping[str, Any]]) -> Refusal:
    """``failures[]`` of a RunTask that was answered with 200 and no task."""
    said = [": ".join(str(f[k]) for k in ("reason", "detail") if f.get(k)) for f in failures] or ["no reason was given"]
    detail = "; ".join(said)[:2000]
    if all(CAPACITY.search(each) or each == "no reason was given" for each in said):
        reason = f"ECS has no room for a task: {said[0]}"[:300]
        return Refusal(Failure(kind="infrastructure", reason=reason, action=NO_ROOM, detail=detail), elsewhere=True)
    action = "Check ECS_CLUSTER_NAME, ECS_TASK_DEFINITION and ECS_SUBNET_IDS against the detail."
    reason = f"ECS refuses to run the task: {said[0]}"[:300]
    return Refusal(Failure(kind="configuration", reason=reason, action=action, detail=detail), elsewhere=False)


def stopped(task: Mapping[str, Any], container: str) -> Stop:
    """Read ``stopCode``, ``stoppedReason`` and the container's ``exitCode`` and ``reason``."""
    inside: Mapping[str, Any] = next((c for c in task.get("containers", ()) if c.get("name") == container), {})
    code, told = inside.get("exitCode"), str(inside.get("reason") or "")
    reason = str(task.get("stoppedReason") or "")
    detail = "; ".join(
        part
        for part in (str(task.get("stopCode") or ""), reason, told, f"exit code {code}" * (code is not None))
        if part
    )
    return _stop(str(task.get("stopCode") or ""), code, reason, told, detail[:2000])


def _stop(stop_code: str, code: int | None, reason: str, told: str, detail: str) -> Stop:
    if "OutOfMemory" in told or (code == 137 and "memory" in reason.lower()):
        action = "Raise the task definition's memory, or ask for a smaller change."
        return Stop("memory", _failure("The container ran out of memory (exit code 137).", action, detail), code or 137)
    if stop_code == "SpotInterruption" or "spot" in reason.lower():
        return Stop("spot", _failure("AWS took the Spot capacity of the task back.", AGAIN, detail), code)
    if stop_code == "TaskFailedToStart" or (code is None and stop_code != "UserInitiated"):
        return _unstarted(reason or told, detail)
    if stop_code == "UserInitiated":
        return Stop("asked", _failure("Somebody stopped the ECS task.", "It is tried again.", detail), code)
    if stop_code == "EssentialContainerExited":
        killed = " (killed; often for want of memory)" if code == 137 else ""
        return Stop("exited", _failure(f"The container ended with exit code {code}{killed}.", AGAIN, detail), code)
    return Stop("other", _failure(f"The ECS task ended: {reason or stop_code}"[:300], AGAIN, detail), code)


def _unstarted(reason: str, detail: str) -> Stop:
    said = f"The ECS task did not start: {reason or 'no reason was given'}"[:300]
    if CAPACITY.search(reason):
        return Stop("start", _failure(said, NO_ROOM, detail), elsewhere=True)
    if WRONG.search(reason):
        action = "Check image, execution role and log group of the task definition (docs/how-to/aws.md)."
        return Stop("start", Failure(kind="configuration", reason=said, action=action, detail=detail))
    action = "It is tried again. From a private subnet ECR, S3 and CloudWatch Logs need VPC endpoints or a NAT gateway."
    return Stop("start", _failure(said, action, detail), elsewhere=True)


def _failure(reason: str, action: str, detail: str) -> Failure:
    return Failure(kind="infrastructure", reason=reason, action=action, detail=detail)


def tags(tag: Tag, mailbox: str) -> list[dict[str, str]]:
    """As RunTask takes them."""
    values = {
        KEYS["runner"]: tag.runner,
        KEYS["job"]: tag.job_id,
        KEYS["attempt"]: str(tag.attempt),
        PURPOSE: tag.purpose,
        MAILBOX: mailbox,
    }
    return [{"key": key, "value": value} for key, value in values.items()]


def read_tags(task: Mapping[str, Any]) -> tuple[Tag, str]:
    """The tag and the mailbox of a described task; somebody else's additions do no harm."""
    found = {str(t.get("key")): str(t.get("value")) for t in task.get("tags", ())}
    number = found.get(KEYS["attempt"], "")
    tag = Tag(
        found.get(KEYS["runner"], ""),
        found.get(KEYS["job"], ""),
        int(number) if number.isdigit() else 0,
        found.get(PURPOSE, "agent"),
    )
    return tag, found.get(MAILBOX, "")


def started_by(runner: str) -> str:
    """``startedBy`` of all tasks of a runner: the one filter that ListTasks has for them (128 characters)."""
    return f"soulcaster/{runner}"[:128]
