"""Verification that means something: shown by a test, without hurting others, flaky ones named, the agent sent back."""

from pathlib import Path

import pytest

from messaging.connection import NatsBus
from schemas.jobs import Limits
from tests.integration.runner.rig import FIX, SOURCE, git, rig
from tests.support.nats_server import NatsServer
from tests.support.scripted_agent import ScriptedAgent

NO_MODEL = "http://127.0.0.1:9/v1"
PASSING = SOURCE | {
    "tests/test_pricing.py": SOURCE["tests/test_pricing.py"].replace("total(2, 3), 5", "total(2, 0), 2")
}
SHOWN_BY_A_TEST = """
cat > tests/test_sum.py <<'END'
import unittest
from shop.pricing import total


class Sum(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(total(2, 3), 5)
END
"""
LIMITS = Limits(wall_seconds=60)


@pytest.mark.parametrize(
    ("script", "verdict", "checks", "word"),
    [
        pytest.param(
            f"{FIX}\n{SHOWN_BY_A_TEST}", "reproduced", ["base", "base+tests", "patch"], "test_sum", id="by its own test"
        ),
        pytest.param(FIX, "unreproduced", ["base", "patch"], "brings no test", id="no test"),
        pytest.param(
            f"{FIX}\n{SHOWN_BY_A_TEST}\nsed -i 's/total(2, 3), 5/total(2, 0), 2/' tests/test_sum.py",
            "unreproduced",
            ["base", "base+tests", "patch"],
            "pass there as well",
            id="a test that shows nothing",
        ),
    ],
)
async def test_only_a_test_that_fails_without_the_patch_reproduces(
    nats: NatsServer, bus: NatsBus, tmp_path: Path, script: str, verdict: str, checks: list[str], word: str
) -> None:
    async with rig(bus, nats.url, tmp_path, ScriptedAgent(script), NO_MODEL, files=PASSING) as at:
        job = await at.fixed(limits=LIMITS)
        assert job.status == "success", (job.failure, await at.log("JOB1"))
        assert job.report is not None
        found = job.report.verification
        assert found.verdict == verdict, found
        assert [c.on + ("+tests" if c.with_tests else "") for c in found.checks] == checks
        assert word in found.reason
        pull = (await bus.objects().get("pulls/p/JOB1.json") or b"").decode()
        first = "**Reproduced.**" if verdict == "reproduced" else "**unreproduced**"
        assert first in pull, pull


async def test_a_patch_that_breaks_another_test_is_not_published(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    breaks = f"{FIX}\n{SHOWN_BY_A_TEST}\nsed -i 's/a + b/a + b if b else 7/' shop/pricing.py"
    async with rig(bus, nats.url, tmp_path, ScriptedAgent(breaks), NO_MODEL, files=PASSING, rounds=0) as at:
        job = await at.fixed(limits=LIMITS)
        assert job.failure is not None
        assert job.failure.kind == "verification"
        assert "test_adds" in job.failure.reason
        assert at.branches() == ["main"]


async def test_a_test_that_failed_before_does_not_stand_in_the_way(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    broken = "import unittest\n\n\nclass Old(unittest.TestCase):\n    def test_old(self):\n        self.fail('old')\n"
    files = SOURCE | {"tests/test_old.py": broken}
    async with rig(bus, nats.url, tmp_path, ScriptedAgent(FIX), NO_MODEL, files=files) as at:
        job = await at.fixed(limits=LIMITS)
        assert job.status == "success", (job.failure, await at.log("JOB1"))
        assert job.report is not None
        assert job.report.verification.verdict == "reproduced"
        assert "not counted: test_old" in job.report.verification.reason


async def test_a_flaky_test_is_run_again_and_named(nats: NatsServer, bus: NatsBus, tmp_path: Path) -> None:
    flaky = (
        "import os, pathlib, unittest\n\n\nclass Shaky(unittest.TestCase):\n    def test_shaky(self):\n"
        "        mark = pathlib.Path(os.environ['HOME'], 'ran')\n        seen = mark.exists()\n        mark.touch()\n"
        "        self.assertTrue(seen)\n"
    )
    files = PASSING | {"tests/test_shaky.py": flaky}
    async with rig(bus, nats.url, tmp_path, ScriptedAgent(FIX), NO_MODEL, files=files) as at:
        job = await at.fixed(limits=LIMITS)
        assert job.status == "success", (job.failure, await at.log("JOB1"))
        assert job.report is not None
        found = job.report.verification
        assert found.verdict == "unreproduced", found
        assert [name.split()[0] for name in found.flaky] == ["test_shaky"]
        assert "once more, to see whether that is certain" in await at.log("JOB1")


async def test_the_agent_is_sent_back_once_with_the_failures_and_its_own_work(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    script = f"""
cat > $HOME/prompt
if grep -q 'AssertionError: -1 != 5' $HOME/prompt; then {FIX}; echo second; ls shop/first.py
else echo 'A = 1' > shop/first.py; echo first; fi
"""
    async with rig(bus, nats.url, tmp_path, ScriptedAgent(script), NO_MODEL) as at:
        job = await at.fixed(limits=LIMITS)
        log = await at.log("JOB1")
        assert job.status == "success", (job.failure, log)
        assert "sending the agent back with the failures (1 of 1)" in log
        assert log.index("\nfirst") < log.index("\nsecond") < log.index("\nshop/first.py")
        assert job.report is not None
        assert job.report.rounds == 1
        assert job.report.changed_files == ["shop/first.py", "shop/pricing.py"]
        assert "sent back once" in (await bus.objects().get("pulls/p/JOB1.json") or b"").decode()
        assert git(at.repo, "log", "--format=%s", "main..soulcaster/job1").count("\n") == 0
        await at.nothing_left()


async def test_the_agent_is_sent_back_no_more_than_allowed_and_not_for_what_is_no_test_failure(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    agent = ScriptedAgent("echo worked; echo '# better' >> shop/pricing.py")
    async with rig(bus, nats.url, tmp_path, agent, NO_MODEL, rounds=2) as at:
        job = await at.fixed(limits=LIMITS)
        assert (job.status, job.failure and job.failure.kind) == ("failed", "verification")
        assert (await at.log("JOB1")).count("\nworked") == 3
        killed = at.plan(test_command="kill -9 $$")
        job = await at.fixed("JOB2", plan=killed, limits=LIMITS)
        assert job.failure is not None
        assert (await at.log("JOB2")).count("\nworked") == 1, job.failure
