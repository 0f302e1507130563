"""Fault F14 and its neighbours: ECS refuses, loses, throttles, stops and forgets; each has its end and its name."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from runner_core.protocols import Command, Exit, Output, Sandbox, SandboxError
from services.runner_aws.aws import Aws
from services.runner_aws.fargate import FargateProvider
from tests.support.aws_double import REGION, AwsDouble, Run
from tests.support.eventually import eventually
from tests.support.fargate import QUICK, Aside, fargate, place, spec
from tests.support.sandboxes import shell

THROTTLED = ["throttle"] * 3


def subnets(double: AwsDouble) -> list[str]:
    return [call["networkConfiguration"]["awsvpcConfiguration"]["subnets"][0] for call in double.asked("run_task")]


async def refused(aside: Aside, **changes: object) -> SandboxError:
    with pytest.raises(SandboxError) as error:
        await aside.provider.create(spec(**changes))
    return error.value


async def working(sandbox: Sandbox) -> None:
    assert (await shell(sandbox, "echo fine")).stdout == b"fine\n"


async def test_a_task_is_asked_for_as_the_legacy_path_did_and_carries_no_secret(tmp_path: Path) -> None:
    async with fargate(tmp_path) as at:
        sandbox = await at.provider.create(spec())
        (asked,) = at.double.asked("run_task")
        override = asked["overrides"]["containerOverrides"][0]
        environment = {pair["name"]: pair["value"] for pair in override["environment"]}
        seen = await shell(sandbox, "env")
        assert (asked["cluster"], asked["taskDefinition"], asked["launchType"], asked["count"]) == (
            at.place.cluster, at.place.task_definition, "FARGATE", 1,
        )  # fmt: skip
        assert asked["networkConfiguration"]["awsvpcConfiguration"] == {
            "subnets": [at.double.subnets[0]], "securityGroups": [at.double.group], "assignPublicIp": "ENABLED",
        }  # fmt: skip
        assert (override["name"], set(environment)) == ("coding-agent", {"JOB_ID", "SOULCASTER_TOKEN"})
        assert len(asked["clientToken"]) <= 36
        assert len(str(asked["overrides"])) < 8192
        assert b"SOULCASTER_TOKEN" not in seen.stdout
        assert b"http" not in seen.stdout
        await sandbox.destroy()
        assert (at.double.objects(), at.double.live()) == ([], [])


async def test_without_capacity_the_next_subnet_is_tried_with_another_token(tmp_path: Path) -> None:
    async with fargate(tmp_path) as at:
        at.double.full = set(at.double.subnets[:2])
        sandbox = await at.provider.create(spec())
        assert subnets(at.double) == at.double.subnets
        assert len({call["clientToken"] for call in at.double.asked("run_task")}) == 3
        await working(sandbox)
        await sandbox.destroy()


async def test_no_capacity_anywhere_is_infrastructure_and_says_where_it_was_tried(tmp_path: Path) -> None:
    async with fargate(tmp_path) as at:
        at.double.full = set(at.double.subnets)
        error = await refused(at)
        assert error.failure.kind == "infrastructure"
        assert "3 subnet(s) after 6 tries" in error.failure.reason
        assert all(subnet in error.failure.detail for subnet in at.double.subnets)
        assert "ECS_SUBNET_IDS" in error.failure.action
        assert at.double.objects() == []


async def test_a_refusal_that_no_subnet_changes_is_told_at_once(tmp_path: Path) -> None:
    async with fargate(tmp_path) as at:
        at.double.faults["run_task"] = [[{"arn": "x", "reason": "MISSING"}]]
        assert (await refused(at)).failure.kind == "configuration"
        assert len(at.double.asked("run_task")) == 1


@pytest.mark.parametrize("operation", ["run_task", "describe_tasks", "stop_task", "list_tasks"])
async def test_throttling_is_waited_out(tmp_path: Path, operation: str) -> None:
    async with fargate(tmp_path) as at:
        at.double.faults[operation] = list(THROTTLED)
        sandbox = await at.provider.create(spec())
        await working(sandbox)
        assert [found.id for found in await at.provider.find_by_tag("aws_kilo")] == [sandbox.id]
        await sandbox.destroy()
        assert at.double.faults[operation] == []
        assert len(at.double.runs) == 1


async def test_a_lost_answer_to_run_task_makes_no_second_task(tmp_path: Path) -> None:
    async with fargate(tmp_path) as at:
        at.double.faults["run_task"] = ["lost", "lost"]
        sandbox = await at.provider.create(spec())
        assert len({call["clientToken"] for call in at.double.asked("run_task")}) == 1
        assert len(at.double.asked("run_task")) == 3
        assert len(at.double.runs) == 1
        await sandbox.destroy()


async def test_two_sandboxes_of_one_tag_are_two_tasks(tmp_path: Path) -> None:
    async with fargate(tmp_path) as at:
        made = await asyncio.gather(at.provider.create(spec()), at.provider.create(spec()))
        assert made[0].id != made[1].id
        await asyncio.gather(*(sandbox.destroy() for sandbox in made))


@pytest.mark.parametrize("fault", ["lost", "ignored"])
async def test_a_lost_stop_is_sent_again_until_the_task_has_stopped(tmp_path: Path, fault: str) -> None:
    async with fargate(tmp_path) as at:
        sandbox = await at.provider.create(spec())
        at.double.faults["stop_task"] = [fault]
        await at.provider.destroy(sandbox.id)
        assert at.double.live() == []
        assert len(at.double.asked("stop_task")) == 2
        await sandbox.destroy()


async def test_a_task_stuck_in_provisioning_is_stopped_and_another_tried(tmp_path: Path) -> None:
    patience = _patience(starting=0.8)
    async with fargate(tmp_path, patience) as at:
        at.double.stuck = {at.double.subnets[0]}
        sandbox = await at.provider.create(spec())
        stuck, good = at.double.runs.values()
        assert (stuck.told["desiredStatus"], stuck.subnet) == ("STOPPED", at.double.subnets[0])
        assert (good.status, good.subnet) == ("RUNNING", at.double.subnets[1])
        await working(sandbox)
        await sandbox.destroy()


@pytest.mark.parametrize(
    ("reason", "kind", "tries"),
    [
        ("CannotPullContainerError: repository does not exist", "configuration", 1),
        ("ResourceInitializationError: failed to connect to ECR: i/o timeout", "infrastructure", 6),
        ("Capacity is unavailable at this time. Please try again later", "infrastructure", 6),
    ],
)
async def test_a_task_that_cannot_start_tells_why(tmp_path: Path, reason: str, kind: str, tries: int) -> None:
    async with fargate(tmp_path) as at:
        at.double.unstartable = reason
        error = await refused(at)
        assert error.failure.kind == kind
        assert reason in error.failure.reason + error.failure.detail
        assert len(at.double.asked("run_task")) == tries
        assert at.double.objects() == []


@pytest.mark.parametrize(
    ("stop", "word"),
    [
        (("SpotInterruption", "Your Spot Task was interrupted.", 143), "Spot"),
        (("UserInitiated", "by hand", 143), "Somebody stopped"),
        (("EssentialContainerExited", "Essential container in task exited", 137), "exit code 137"),
        (("TerminationNotice", "maintenance", 143), "maintenance"),
    ],
)
async def test_a_task_that_ecs_ends_under_a_command_is_infrastructure_by_its_name(
    tmp_path: Path, stop: tuple[str, str, int], word: str
) -> None:
    async with fargate(tmp_path) as at:
        sandbox = await at.provider.create(spec())
        seen, error = await _interrupted(at, sandbox, lambda run: at.double.end(run, *stop))
        assert seen == b"one\n"
        assert isinstance(error, SandboxError)
        assert error.failure.kind == "infrastructure"
        assert word in error.failure.reason
        assert "info: ready" in error.failure.detail, "the container's own log"
        await sandbox.destroy()


async def test_a_container_out_of_memory_is_named_so_and_keeps_its_code(tmp_path: Path) -> None:
    killed = ("EssentialContainerExited", "Essential container in task exited", 137, "OutOfMemoryError: killed")
    async with fargate(tmp_path) as at:
        sandbox = await at.provider.create(spec())
        seen, end = await _interrupted(at, sandbox, lambda run: at.double.end(run, *killed))
        assert (seen, end) == (b"one\n", Exit(code=137, why="memory"))
        await sandbox.destroy()


async def test_a_container_whose_runner_is_dead_ends_itself(tmp_path: Path) -> None:
    async with fargate(tmp_path) as at:
        sandbox = await at.provider.create(spec())
        (run,) = at.double.live()
        sandbox._keeper.cancel()  # type: ignore[attr-defined]  # as if the runner's process were gone
        await eventually(lambda: run.container is not None and run.container.code == 3, 15.0)
        await sandbox.destroy()


async def test_another_runner_reaps_only_what_nobody_keeps(tmp_path: Path) -> None:
    async with fargate(tmp_path) as at:
        # The lost one's container waits long for its runner: it must still be there when it is found.
        dead = FargateProvider(place(at.double), Aws(REGION, at.double.url), at.door, _patience(ttl=240.0))
        kept, lost = await at.provider.create(spec("KEPT")), await dead.create(spec("LOST"))
        other = FargateProvider(place(at.double), Aws(REGION, at.double.url), at.door, _patience(ttl=4.0))
        try:
            lost._keeper.cancel()  # type: ignore[attr-defined]

            async def found() -> None:
                tags = [(one.id, one.tag.job_id) for one in await other.find_by_tag("aws_kilo")]
                assert tags == [(lost.id, "LOST")]

            await eventually(found, 60.0)
            await other.destroy(lost.id)
            await working(kept)
        finally:
            await kept.destroy()
            await lost.destroy()
            await dead.close()
            await other.close()
        assert at.double.objects() == []


async def test_missing_settings_are_named_each(tmp_path: Path) -> None:
    async with fargate(tmp_path) as at:
        empty = type(at.place)("", "f", (), (at.double.group,), "")
        provider = FargateProvider(empty, Aws(REGION, at.double.url), None)
        problem = await provider.probe()
        assert problem is not None
        assert problem.kind == "configuration"
        expected = "Set ECS_CLUSTER_NAME, ECS_SUBNET_IDS, ECS_MAILBOX_BUCKET, MODEL_PROXY_PUBLIC_URL."
        assert problem.action.startswith(expected)
        assert await provider.find_by_tag("aws_kilo") == []
        await provider.close()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"cluster": "nowhere"}, "ECS_CLUSTER_NAME"),
        ({"container": "else"}, "ECS_TASK_DEFINITION"),
        ({"bucket": "no-such-bucket"}, "ECS_MAILBOX_BUCKET"),
    ],
)
async def test_settings_that_name_nothing_are_told_before_any_task(
    tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    async with fargate(tmp_path) as at:
        wrong = type(at.place)(**{name: getattr(at.place, name) for name in at.place.__slots__} | change)
        provider = FargateProvider(wrong, Aws(REGION, at.double.url), at.door)
        problem = await provider.probe()
        assert problem is not None
        assert (problem.kind, word in problem.action) == ("configuration", True), problem
        await provider.close()


def _patience(**changes: float) -> Any:
    return type(QUICK)(**{name: getattr(QUICK, name) for name in QUICK.__slots__} | changes)


async def _interrupted(at: Aside, sandbox: Sandbox, fault: Any) -> tuple[bytes, Exit | SandboxError]:
    """What came of a command under which its task ends."""
    (run,) = at.double.live()
    assert isinstance(run, Run)
    seen = bytearray()
    try:
        async with aclosing(sandbox.run(Command(argv=["sh", "-c", "echo one; sleep 60"]))) as pieces:
            async for piece in pieces:
                if isinstance(piece, Exit):
                    return bytes(seen), piece
                assert isinstance(piece, Output)
                seen += piece.data
                fault(run)
    except SandboxError as error:
        return bytes(seen), error
    raise AssertionError("no end was told")
