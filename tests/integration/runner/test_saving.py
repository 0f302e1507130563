"""No work is lost: what an agent did is kept while it works, and the next attempt goes on from it."""

from pathlib import Path

import pytest

from messaging.connection import NatsBus
from runner_core.kit import Patience
from schemas.jobs import Limits
from tests.chaos.fixes import start
from tests.integration.runner.rig import FIX, MODEL_KEY, rig
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer
from tests.support.scripted_agent import ScriptedAgent
from tests.support.stack import stack

NO_MODEL = "http://127.0.0.1:9/v1"
OFTEN = Patience(stall=250.0, reserve=5.0, save_every=0.3, save=10.0, save_on_stop=4.0)
IN_TWO_PARTS = """
if [ -e shop/first_part.py ]; then
  sed -i 's/a - b/a + b/' shop/pricing.py; say 'the second part is done'
else
  echo 'RATE = 1' > shop/first_part.py; say 'the first part is done'
  while [ -e "$at/stay" ]; do sleep 0.1; done; exit 1
fi
"""


@pytest.mark.timeout(180)
async def test_after_kill_9_of_the_runner_the_next_attempt_finds_what_the_first_has_written(tmp_path: Path) -> None:
    async with stack(tmp_path / "s", WORK_SAVE_SECONDS="0.5") as at:
        at.act(IN_TWO_PARTS)
        (at.agent / "stay").touch()
        fix = await start(at, await at.cluster(), "two-parts")

        async def saved() -> None:
            status, diff = await at.ask("GET", f"/jobs/{fix.job_id}/patch")
            assert status == 200, diff
            assert "first_part.py" in diff
            _, log = await at.ask("GET", f"/jobs/{fix.job_id}/logs/raw")
            assert "work saved: 1 file, +1 -0" in log

        await eventually(saved, 60)
        await at.restart("runner")
        job = await fix.judged()
        assert job.status == "success", (job.failure, job.history, at.tail())
        assert [failure.kind for failure in job.history] == ["lost_runner"]
        assert job.report is not None
        assert job.report.resumed_from == 1
        assert job.report.changed_files == ["shop/first_part.py", "shop/pricing.py"]
        _, log = await at.ask("GET", f"/jobs/{fix.job_id}/logs/raw")
        assert "going on from the work that attempt 1 saved" in log
        await fix.left_nothing(job)


@pytest.mark.parametrize(
    ("ending", "limits"),
    [
        pytest.param("exit 3", Limits(wall_seconds=60), id="ends badly"),
        pytest.param("sleep 600", Limits(wall_seconds=3), id="out of time"),
        pytest.param("yes", Limits(wall_seconds=60, log_bytes=1024 * 1024), id="prints too much"),
        pytest.param(
            "python3 -c 'x = bytearray(900 * 1024**2); print(len(x))' || kill -9 $$",
            Limits(wall_seconds=60, memory_bytes=512 * 1024**2),
            id="takes too much memory",
        ),
    ],
)
async def test_whatever_ends_the_agent_what_it_did_is_kept(
    nats: NatsServer, bus: NatsBus, tmp_path: Path, ending: str, limits: Limits
) -> None:
    agent = ScriptedAgent(f"{FIX}; echo half way; {ending}")
    async with rig(bus, nats.url, tmp_path, agent, NO_MODEL) as at:
        job = await at.fixed(limits=limits)
        assert job.status == "failed", await at.log("JOB1")
        assert b"a + b" in (await bus.objects().get(job.patch_key or "") or b""), await at.log("JOB1")
        assert job.bundle_key == "bundles/p/JOB1/1.bundle"
        await at.nothing_left()


async def test_the_newest_work_is_kept_while_the_agent_goes_on(nats: NatsServer, bus: NatsBus, tmp_path: Path) -> None:
    script = f"echo 'A = 1' > shop/first.py; echo first; sleep 3; {FIX}; echo second; sleep 600"
    async with rig(bus, nats.url, tmp_path, ScriptedAgent(script), NO_MODEL, patience=OFTEN) as at:
        await at.start()

        async def kept(word: str) -> None:
            job = await at.job("JOB1")
            assert job.status in ("pending", "running"), job.failure
            assert word.encode() in (await bus.objects().get(job.patch_key or "none") or b"")

        await eventually(lambda: kept("A = 1"), 30)
        await eventually(lambda: kept("a + b"), 30)
        await at.cancel("JOB1")
        assert (await at.ended("JOB1")).status == "cancelled"
        assert await bus.objects().names("bundles/") == ["bundles/p/JOB1/1.bundle"]
        await at.nothing_left()


async def test_work_that_holds_a_secret_or_is_too_large_is_not_kept_and_that_is_told(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    script = f"echo {MODEL_KEY} > shop/key.txt; sleep 2; rm shop/key.txt; {FIX}; exit 0"
    async with rig(bus, nats.url, tmp_path, ScriptedAgent(script), NO_MODEL, patience=OFTEN) as at:
        job = await at.fixed()
        assert job.status == "success", (job.failure, await at.log("JOB1"))
        log = await at.log("JOB1")
        assert "the work so far could not be saved" in log
        assert MODEL_KEY not in log
    huge = ScriptedAgent("head -c 9000000 /dev/urandom > shop/huge.bin; echo written; exit 3")
    async with rig(bus, nats.url, tmp_path / "second", huge, NO_MODEL, patience=OFTEN) as at:
        job = await at.fixed("JOB2")
        assert job.status == "failed"
        assert job.patch_key is None
        assert "could not be saved" in await at.log("JOB2")
