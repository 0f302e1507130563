"""What ECS says, read as failures."""

from typing import Any

import pytest

from runner_core.protocols import Tag
from services.runner_aws.model import read_tags, refused, started_by, stopped, tags


def task(stop_code: str, reason: str, code: int | None = None, inside: str = "") -> dict[str, Any]:
    container: dict[str, Any] = {"name": "coding-agent", "lastStatus": "STOPPED"}
    container |= {"exitCode": code} if code is not None else {}
    container |= {"reason": inside} if inside else {}
    return {
        "stopCode": stop_code,
        "stoppedReason": reason,
        "containers": [{"name": "sidecar", "exitCode": 9}, container],
    }


@pytest.mark.parametrize(
    ("said", "kind", "elsewhere"),
    [
        (["RESOURCE:MEMORY"], "infrastructure", True),
        (["RESOURCE:ENI"], "infrastructure", True),
        (["AGENT"], "infrastructure", True),
        (["Capacity is unavailable at this time. Please try again later"], "infrastructure", True),
        (["You've reached the limit on the number of tasks you can run concurrently"], "infrastructure", True),
        ([], "infrastructure", True),
        (["MISSING"], "configuration", False),
        (["ATTRIBUTE"], "configuration", False),
        (["RESOURCE:CPU", "ATTRIBUTE"], "configuration", False),
    ],
)
def test_failures_of_run_task_say_whether_another_subnet_may_do(said: list[str], kind: str, elsewhere: bool) -> None:
    refusal = refused([{"reason": reason, "arn": "x"} for reason in said])
    assert (refusal.failure.kind, refusal.elsewhere) == (kind, elsewhere)
    assert refusal.failure.action


@pytest.mark.parametrize(
    ("described", "why", "kind", "code"),
    [
        (task("EssentialContainerExited", "Essential container in task exited", 0), "exited", "infrastructure", 0),
        (task("EssentialContainerExited", "", 137, "OutOfMemoryError: x"), "memory", "infrastructure", 137),
        (task("EssentialContainerExited", "", 137), "exited", "infrastructure", 137),
        (task("SpotInterruption", "Your Spot Task was interrupted.", 143), "spot", "infrastructure", 143),
        (task("UserInitiated", "by hand", 143), "asked", "infrastructure", 143),
        (task("UserInitiated", "by hand"), "asked", "infrastructure", None),
        (task("TaskFailedToStart", "CannotPullContainerError: not found"), "start", "configuration", None),
        (task("TaskFailedToStart", "ResourceInitializationError: i/o timeout"), "start", "infrastructure", None),
        (task("", "Timeout waiting for network interface provisioning"), "start", "infrastructure", None),
        (task("TerminationNotice", "maintenance", 143), "other", "infrastructure", 143),
    ],
)
def test_a_stopped_task_is_read_by_stop_code_then_exit_code(
    described: dict[str, Any], why: str, kind: str, code: int | None
) -> None:
    stop = stopped(described, "coding-agent")
    assert (stop.why, stop.failure.kind, stop.code) == (why, kind, code)
    assert stop.failure.reason


def test_out_of_memory_is_named_with_its_code() -> None:
    stop = stopped(task("EssentialContainerExited", "Essential", 137, "OutOfMemoryError: killed"), "coding-agent")
    assert "out of memory (exit code 137)" in stop.failure.reason


def test_a_task_that_says_nothing_at_all_still_has_a_reason() -> None:
    assert stopped({}, "coding-agent").failure.reason


def test_tags_are_read_as_they_were_written_and_others_do_no_harm() -> None:
    tag = Tag("aws_kilo", "JOB1", 3, "check")
    written = [*tags(tag, "box"), {"key": "cost-center", "value": "42"}]
    assert read_tags({"tags": written}) == (tag, "box")
    assert read_tags({"tags": [{"key": "soulcaster:attempt", "value": "many"}]}) == (Tag("", "", 0, "agent"), "")


def test_started_by_fits_ecs() -> None:
    assert started_by("aws_kilo") == "soulcaster/aws_kilo"
    assert len(started_by("x" * 200)) == 128
