"""The real opencode in a real sandbox, with a scripted model behind the runner's proxy: the second agent."""

from pathlib import Path

import pytest

from messaging.connection import NatsBus
from runner_core.agents.opencode import Opencode
from schemas.jobs import Limits
from tests.integration.runner.rig import MODEL_KEY, git, rig
from tests.integration.runner.test_kilocode import TURNS
from tests.support.nats_server import NatsServer
from tests.support.scripted_agent import ScriptedAgent
from tests.support.scripted_model import Turn, always, conversation, scripted_model

BINARY = Path(__file__).parents[3] / "agents/node_modules/opencode-linux-x64/bin/opencode"


@pytest.mark.timeout(400)
async def test_opencode_fixes_the_repository_and_a_draft_pull_request_is_opened(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with (
        scripted_model(conversation(*TURNS)) as model,
        rig(bus, nats.url, tmp_path, Opencode(BINARY), model.url) as at,
    ):
        job = await at.ended(await at.start(limits=Limits(wall_seconds=280)), within=300.0)
        log = await at.log("JOB1")
        assert job.status == "success", (job.failure, log)
        assert at.branches() == ["main", "soulcaster/job1"]
        assert git(at.repo, "show", "soulcaster/job1:shop/pricing.py").endswith("return a + b")
        assert job.report is not None
        assert "total() subtracted" in job.report.summary
        assert "opencode 1.18.33 with scripted-1" in log
        assert "read shop/pricing.py" in log
        assert "$ python3 -m unittest -q" in log
        assert MODEL_KEY not in log
        assert set(model.keys) == {MODEL_KEY}
        await at.nothing_left()


@pytest.mark.timeout(400)
async def test_opencode_without_a_working_model_ends_with_the_models_own_words(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with (
        scripted_model(always(Turn("out of service", status=503))) as model,
        rig(bus, nats.url, tmp_path, ScriptedAgent("exit 9"), model.url, others=(Opencode(BINARY),)) as at,
    ):
        job = await at.ended(await at.start(agent="opencode", limits=Limits(wall_seconds=280)), within=300.0)
        assert job.failure is not None
        assert (job.status, job.failure.kind) == ("failed", "model_unavailable"), job.failure
        assert "answered 503" in job.failure.reason
        assert (await at.info()).agents == ["scripted", "opencode"]
        await at.nothing_left()
