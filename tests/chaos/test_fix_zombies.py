"""Runners that hang past their lease and wake up later, and what a dead runner had begun."""

from pathlib import Path

import pytest

from schemas.jobs import Job
from tests.chaos.fixes import Fix, start
from tests.support.eventually import eventually
from tests.support.stack import Stack, stack

HOOK = "#!/bin/sh\ntouch {gate}.reached\nwhile [ -e {gate} ]; do sleep 0.05; done\n"
TOKEN = "ghp_a-token-of-the-user-0123456789abcdef"


async def _taken_over(at: Stack, fix: Fix) -> Job:
    """A second runner takes the job that the first one, frozen, no longer answers for."""
    await at.start("runner2")
    return await fix.attempt_of(2)


@pytest.mark.timeout(240)
async def test_a_runner_frozen_past_its_lease_publishes_nothing_when_it_wakes(tmp_path: Path) -> None:
    async with stack(tmp_path / "s") as at:
        cluster = await at.cluster()
        at.hold()
        fix = await start(at, cluster, "frozen")
        await fix.reached("agent")
        at.pause("runner")
        at.release()  # the first agent goes on and changes its files: its runner does not see it
        await _taken_over(at, fix)
        job = await fix.judged()
        assert (job.status, job.attempt) == ("success", 2), (job.failure, at.tail())
        assert [one.kind for one in job.history] == ["lost_runner"]
        at.resume("runner")
        await _gives_up(at)
        assert await fix.judged_again() == job, "the zombie changed the record"
        await fix.left_nothing(job)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("death", ["frozen", "killed"])
async def test_a_push_that_outlives_its_runner_is_adopted_by_the_next_attempt(death: str, tmp_path: Path) -> None:
    """The worst moment: the right to publish is granted, git is pushing, and the runner goes."""
    async with stack(tmp_path / "s") as at:
        cluster = await at.cluster()
        gate = tmp_path / "gate"
        gate.touch()
        fix = await start(at, cluster, death)
        hook = fix.origin / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(HOOK.format(gate=gate))
        hook.chmod(0o755)
        await eventually(gate.with_name("gate.reached").exists, within=60)
        if death == "killed":
            await at.restart("runner")
        else:
            at.pause("runner")
            await at.start("runner2")
        gate.unlink()  # the orphaned push goes through, seen by nobody
        job = await fix.judged()
        assert (job.status, job.attempt) == ("success", 2), (job.failure, at.tail())
        if death == "frozen":
            at.resume("runner")
            await _gives_up(at)
            assert await fix.judged_again() == job
        await fix.left_nothing(job)


@pytest.mark.timeout(240)
async def test_a_token_outlives_its_runner_and_is_gone_when_the_job_has_ended(tmp_path: Path) -> None:
    async with stack(tmp_path / "s") as at:
        cluster = await at.cluster()
        at.hold()
        fix = await start(at, cluster, "token", token=TOKEN)
        await fix.reached("agent")
        await at.restart("runner")
        at.release()
        job = await fix.judged()
        assert (job.status, job.attempt) == ("success", 2)
        await fix.left_nothing(job)


async def _gives_up(at: Stack) -> None:
    """The woken runner says that the attempt is not its own any more."""
    log = at.layout.logs / "runner.log"
    await eventually(lambda: '"attempt.lost"' in log.read_text(), within=30)
