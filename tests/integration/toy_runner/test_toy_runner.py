"""The runner of docs/how-to/write-a-runner.md does a whole job, is listed, and stands in the page as it is here."""

from pathlib import Path

from messaging.connection import NatsBus
from schemas import subjects
from schemas.runners import RunnerInfo
from tests.integration.runner.rig import FIX, git, rig
from tests.integration.toy_runner.toy import ToyProvider
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer
from tests.support.scripted_agent import ScriptedAgent

PAGE = Path(__file__).parents[3] / "docs/how-to/write-a-runner.md"


async def test_the_toy_is_listed_and_makes_the_pull_request_of_a_job_that_asks_for_it(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    provider = ToyProvider(tmp_path / "toys")
    agent = ScriptedAgent(f"cat > /dev/null; {FIX}; echo mended")
    async with rig(bus, nats.url, tmp_path, agent, "http://127.0.0.1:9/v1", provider=provider, runner="toy") as at:

        async def listed() -> None:
            entry = await bus.state(subjects.KV_RUNNERS, RunnerInfo).get(subjects.key("toy", at.kit.instance))
            assert entry is not None
            assert entry.value is not None

        await eventually(listed)
        job = await at.fixed(runner="toy")
        assert job.status == "success", await at.log("JOB1")
        assert git(at.repo, "show", f"{job.branch}:shop/pricing.py") == "def total(a, b):\n    return a + b"
        assert await provider.find_by_tag("toy") == []


def test_the_page_shows_the_code_that_is_tested() -> None:
    code = Path(__file__).with_name("toy.py").read_text()
    assert f"```python\n{code}```" in PAGE.read_text()
