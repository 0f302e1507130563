"""The real Kilocode CLI in a real sandbox, with a scripted model behind the runner's proxy."""

from pathlib import Path

import pytest

from messaging.connection import NatsBus
from runner_core.agents.kilocode import Kilocode
from schemas.jobs import Limits
from tests.integration.runner.rig import MODEL_KEY, git, rig
from tests.support.nats_server import NatsServer
from tests.support.scripted_model import Turn, always, conversation, scripted_model

BINARY = Path(__file__).parents[3] / "agents/node_modules/@kilocode/cli-linux-x64/bin/kilo"
TARGET = "/workspace/shop/pricing.py"
TURNS = (
    Turn("I read the file first.", "read", {"filePath": TARGET}),
    Turn("It subtracts.", "edit", {"filePath": TARGET, "oldString": "a - b", "newString": "a + b"}),
    Turn("Now the tests.", "bash", {"command": "python3 -m unittest -q; env", "description": "Run the tests"}),
    Turn("total() subtracted; it adds now. The tests pass."),
)


@pytest.mark.timeout(400)
async def test_kilocode_fixes_the_repository_and_a_draft_pull_request_is_opened(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with (
        scripted_model(conversation(*TURNS)) as model,
        rig(bus, nats.url, tmp_path, Kilocode(BINARY), model.url) as at,
    ):
        job = await at.ended(await at.start(limits=Limits(wall_seconds=280)), within=300.0)
        log = await at.log("JOB1")
        assert job.status == "success", (job.failure, log)
        assert job.pr_url
        assert job.branch == "soulcaster/job1"
        assert at.branches() == ["main", "soulcaster/job1"]
        assert git(at.repo, "show", "soulcaster/job1:shop/pricing.py").endswith("return a + b")
        assert job.report is not None
        assert job.report.verification.verdict == "reproduced"
        assert "total() subtracted" in job.report.summary
        assert "read shop/pricing.py" in log
        assert "$ python3 -m unittest -q" in log
        assert MODEL_KEY not in log
        assert set(model.keys) == {MODEL_KEY}
        assert job.usage.requests >= 4
        assert job.usage.input_tokens > 0
        await at.nothing_left()


@pytest.mark.timeout(400)
async def test_kilocode_without_a_working_model_ends_with_the_models_own_words(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with (
        scripted_model(always(Turn("out of service", status=503))) as model,
        rig(bus, nats.url, tmp_path, Kilocode(BINARY), model.url) as at,
    ):
        job = await at.ended(await at.start(limits=Limits(wall_seconds=280)), within=300.0)
        assert job.failure is not None
        assert (job.status, job.failure.kind) == ("failed", "model_unavailable")
        assert "answered 503" in job.failure.reason
        assert at.branches() == ["main"]
        await at.nothing_left()
