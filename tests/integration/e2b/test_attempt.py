"""Whole attempts through the runner with e2b sandboxes: real broker, orchestrator, SDK and commands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from messaging.connection import NatsBus
from runner_core.model_door import ModelDoor
from runner_core.protocols import SandboxError
from services.runner_sandbox.e2b_provider import E2bProvider
from tests.integration.runner.rig import FIX, MODEL_KEY, SOURCE, Rig, git, rig
from tests.support.e2b_double import E2bDouble, Fault, e2b_double
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer
from tests.support.sandboxes import QUICK, account, ran, spec
from tests.support.scripted_agent import ScriptedAgent
from tests.support.scripted_model import Turn, always, scripted_model

ASK = """
cat > /dev/null
python3 - <<'END'
import json, os, urllib.request
body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
headers = {"Authorization": "Bearer " + os.environ["MODEL_KEY"], "Content-Type": "application/json"}
request = urllib.request.Request(os.environ["MODEL_URL"] + "/chat/completions", body, headers)
print(json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"])
END
"""


@asynccontextmanager
async def _e2b_rig(
    bus: NatsBus, nats: NatsServer, tmp_path: Path, script: str, **changes: Any
) -> AsyncIterator[tuple[Rig, E2bDouble]]:
    door = ModelDoor("http://127.0.0.1")
    await door.start()
    door.public_url = f"http://127.0.0.1:{door.port}"
    async with (
        scripted_model(always(Turn("use a plus"))) as model,
        e2b_double(tmp_path / "e2b", doors={"127.0.0.1": door.port}) as double,
    ):
        provider = E2bProvider(account(double), door, QUICK)
        async with rig(bus, nats.url, tmp_path, ScriptedAgent(script), model.url, provider=provider, **changes) as at:
            yield at, double
    await door.close()


async def test_a_fix_made_at_e2b_becomes_a_branch_with_the_tests_run_there_too(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with _e2b_rig(bus, nats, tmp_path, f"{ASK}\n{FIX}\necho mended") as (at, double):
        job = await at.fixed()
        log = await at.log("JOB1")
        assert job.status == "success", log
        assert "use a plus" in log
        assert "mended" in log
        assert git(at.repo, "show", f"{job.branch}:shop/pricing.py") == "def total(a, b):\n    return a + b"
        assert job.report is not None
        assert job.report.verification.verdict == "reproduced"
        assert job.usage.requests == 1
        purposes = [body["metadata"]["purpose"] for _, body in double.control.created]
        assert purposes == ["agent", "check", "check"]
        networks = [body["network"].get("allowOut") for _, body in double.control.created]
        assert networks == [["127.0.0.1"], None, None], "only the agent reaches the model, and nothing else"
        assert MODEL_KEY not in str(double.control.created) + log
        assert not double.boxes


async def test_a_stream_cut_again_and_again_changes_nothing_in_the_log(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    script = f"cat > /dev/null; for i in $(seq 300); do echo row $i; done; {FIX}"
    async with _e2b_rig(bus, nats, tmp_path, script) as (at, double):
        double.faults.often("start", 0.3, Fault("cut", after=400))
        job = await at.fixed()
        log = await at.log("JOB1")
        assert job.status == "success", log
        assert [line for line in log.splitlines() if line.startswith("row ")] == [f"row {i}" for i in range(1, 301)]


async def test_a_sandbox_that_dies_under_the_agent_is_infrastructure(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with _e2b_rig(bus, nats, tmp_path, "cat > /dev/null; echo here; sleep 60") as (at, double):
        await at.start()
        await at.in_phase("JOB1", "agent")
        await eventually(lambda: bool(double.boxes))
        await double.kill(next(iter(double.boxes)))
        job = await at.ended("JOB1")
        assert job.failure is not None
        assert job.failure.kind == "infrastructure", job.failure


async def test_a_cancelled_job_leaves_no_sandbox(nats: NatsServer, bus: NatsBus, tmp_path: Path) -> None:
    async with _e2b_rig(bus, nats, tmp_path, "cat > /dev/null; sleep 60") as (at, double):
        await at.start()
        await at.in_phase("JOB1", "agent")
        await at.cancel("JOB1")
        assert (await at.ended("JOB1")).status == "cancelled"
        await eventually(lambda: not double.boxes)


async def test_without_a_public_address_of_the_proxy_the_job_says_what_to_set(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with e2b_double(tmp_path / "e2b") as double:
        provider = E2bProvider(account(double), None, QUICK)
        agent = ScriptedAgent("true")
        async with rig(bus, nats.url, tmp_path, agent, "http://127.0.0.1:9/v1", provider=provider) as at:
            job = await at.fixed()
    assert job.failure is not None
    said = f"{job.failure.reason} {job.failure.action} {job.failure.detail}"
    assert (job.failure.kind, "MODEL_PROXY_PUBLIC_URL" in said) == ("configuration", True), job.failure
    assert not double.control.created


async def test_the_way_to_the_registries_is_open_for_set_up_commands_alone(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    files = SOURCE | {".soulcaster.yml": "setup: echo ready\nnetwork: [packages.example.org]\n"}
    hosts = ("pypi.org",)
    async with _e2b_rig(bus, nats, tmp_path, FIX, files=files, setup_hosts=hosts) as (at, double):
        job = await at.fixed()
        assert job.status == "success", (job.failure, await at.log("JOB1"))
        assert "set-up `echo ready`: exit code 0" in await at.log("JOB1")
        changes = double.control.networks
        assert len(changes) == 3  # sandboxes: the agent's, the base commit's, the patch's
        for opened, closed in changes.values():
            assert {"packages.example.org", "pypi.org"} <= set(opened["allowOut"])
            assert set(closed.get("allowOut", ())) <= {"127.0.0.1"}
            assert closed["denyOut"] == ["0.0.0.0/0"]
            assert closed["dnsServers"] == []


async def test_a_way_out_that_does_not_close_ends_the_sandbox(tmp_path: Path) -> None:
    async with e2b_double(tmp_path / "e2b", doors={}) as double:
        provider = E2bProvider(account(double), None, QUICK)
        # The first change is answered: a cut is for streams.
        sandbox = await provider.create(spec(setup_hosts=("pypi.org",)))
        double.faults.add("network", Fault("cut"), *[Fault("status", 500)] * 20)
        with pytest.raises(SandboxError):
            await ran(sandbox, "echo", "ready", setup=True)
        assert double.control.boxes == {}
