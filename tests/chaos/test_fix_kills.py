"""kill -9 of every process at each phase of a fix, started again at once: the job ends once, and nothing is lost.

By default a subset in which every process dies in several phases and every phase sees several deaths; ``CHAOS=full``
runs all of them.
"""

import os
from pathlib import Path

import pytest

from schemas import subjects
from schemas.projects import SealedSecret
from tests.chaos.fixes import PHASES, start
from tests.support.invariants import never_written
from tests.support.stack import BROKER, stack

FULL = os.environ.get("CHAOS") == "full"
SUBSET = {
    "gateway": ("queued", "agent", "publishing"),
    "orchestrator": ("queued", "planning", "agent", "gating", "publishing"),
    "planner": ("planning",),
    "triage": ("provisioning", "publishing"),
    "runner": ("provisioning", "agent", "verifying"),
    BROKER: ("queued", "checkout", "agent", "verifying"),
}
CELLS = {victim: PHASES if FULL else phases for victim, phases in SUBSET.items()}
TOKEN = "ghp_a-token-of-the-user-0123456789abcdef"
KEEPS_TOKEN = ("gateway", "orchestrator", "planner", "triage", "runner")  # the broker's memory dies with it


@pytest.mark.timeout(600)
@pytest.mark.parametrize("victim", CELLS)
async def test_every_fix_ends_once_whoever_is_killed(victim: str, tmp_path: Path) -> None:
    token = TOKEN if victim in KEEPS_TOKEN else ""
    async with stack(tmp_path / "s") as at:
        cluster = await at.cluster()
        for phase in CELLS[victim]:
            if phase == "agent":
                at.hold()
            fix = await start(at, cluster, f"{victim}-{phase}", token=token)
            if phase != "queued":
                await fix.reached(phase)
            await at.restart(victim)
            at.release()
            job = await fix.judged()
            assert job.status == "success", (phase, job.failure, job.history, at.tail())
            await fix.left_nothing(job)
            assert await at.bus.state(subjects.KV_SECRETS, SealedSecret).keys() == [], phase
        never_written(TOKEN, [at.data, at.nats.folder])
