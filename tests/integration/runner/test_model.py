"""The model endpoint misbehaves behind the runner's proxy: the job ends with the reason, and no key leaks."""

from pathlib import Path

import pytest

from messaging.connection import NatsBus
from schemas.jobs import Limits
from tests.integration.runner.rig import FIX, MODEL_KEY, rig
from tests.support.nats_server import NatsServer
from tests.support.scripted_agent import ScriptedAgent
from tests.support.scripted_model import Script, Turn, always, in_order, scripted_model

ASK = """
import json, os, sys, urllib.error, urllib.request
def ask(stream=True, key=None):
    body = {"model": "gpt-of-my-choice", "messages": [{"role": "user", "content": "hi"}]}
    body |= {"stream": stream, "max_tokens": 500}
    headers = {"Authorization": "Bearer " + (key or os.environ["MODEL_KEY"]), "Content-Type": "application/json"}
    url = os.environ["MODEL_URL"] + "/chat/completions"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as answer:
            print(answer.status, answer.read().decode()[-300:], flush=True)
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode()[:300], flush=True)
"""


def asking(code: str) -> str:
    return f"cat > /tmp/ask.py <<'END'\n{ASK}\n{code}\nEND\npython3 /tmp/ask.py"


@pytest.mark.parametrize(
    ("script", "kind", "word"),
    [
        pytest.param(always(Turn(fault="refuse")), "model_unavailable", "not reached", id="down"),
        pytest.param(always(Turn("slow down", status=429)), "model_unavailable", "answered 429", id="429"),
        pytest.param(always(Turn("broken", status=500)), "model_unavailable", "answered 500", id="500"),
        pytest.param(always(Turn(fault="garbage")), "model_unavailable", "no chat completion", id="garbage"),
        pytest.param(always(Turn(fault="hang")), "model_unavailable", "said nothing for 2 s", id="hangs"),
        pytest.param(always(Turn("bad key", status=401)), "configuration", "answered 401", id="wrong key"),
    ],
)
async def test_a_model_that_cannot_answer_ends_the_agent_with_the_reason(
    nats: NatsServer, bus: NatsBus, tmp_path: Path, script: Script, kind: str, word: str
) -> None:
    agent = ScriptedAgent(asking("while True: ask()"))
    async with scripted_model(script) as model, rig(bus, nats.url, tmp_path, agent, model.url) as at:
        job = await at.fixed()
        assert job.status == "failed"
        assert job.failure is not None
        assert job.failure.kind == kind, job.failure
        assert word in job.failure.reason
        assert MODEL_KEY not in await at.log("JOB1")
        await at.nothing_left()


async def test_a_passing_trouble_of_the_model_is_not_seen_by_the_agent(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    agent = ScriptedAgent(f"{asking('ask()')}; {FIX}")
    troubled = in_order(Turn("slow down", status=429), Turn("fine"))
    async with scripted_model(troubled) as model, rig(bus, nats.url, tmp_path, agent, model.url) as at:
        job = await at.fixed()
        assert job.status == "success", job.failure
        assert (job.usage.requests, job.usage.input_tokens, job.usage.output_tokens) == (2, 100, 10)
        assert "429" not in await at.log("JOB1")


async def test_a_spent_budget_ends_the_job_and_bounds_the_last_answer(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    agent = ScriptedAgent(f"{FIX}\n{asking('while True: ask(stream=False)')}")
    script = always(Turn("ok", tokens=(300, 30)))
    async with scripted_model(script) as model, rig(bus, nats.url, tmp_path, agent, model.url) as at:
        job = await at.fixed(limits=Limits(wall_seconds=60, tokens=1000))
        assert job.failure is not None
        assert job.failure.kind == "budget"
        assert "tokens are spent" in job.failure.reason
        assert job.patch_key is not None  # what was done is kept for a look
        assert len(model.requests) == 4
        assert [request["max_tokens"] for request in model.requests] == [500, 500, 340, 10]
        assert {request["model"] for request in model.requests} == {"scripted-1"}


async def test_the_sandbox_has_a_key_that_is_good_for_nothing_else(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    agent = ScriptedAgent(f"{asking('ask(); ask(key=str(1))')}\n{FIX}")
    async with scripted_model(always(Turn("ok"))) as model, rig(bus, nats.url, tmp_path, agent, model.url) as at:
        job = await at.fixed()
        assert job.status == "success", job.failure
        assert "401" in await at.log("JOB1")
        assert model.keys == [MODEL_KEY]


async def test_without_a_model_the_runner_says_what_to_set(nats: NatsServer, bus: NatsBus, tmp_path: Path) -> None:
    async with rig(bus, nats.url, tmp_path, ScriptedAgent(FIX), None) as at:
        job = await at.fixed()
        assert job.failure is not None
        assert job.failure.kind == "configuration"
        assert "OPENAI_API_KEY" in (await at.info()).problem  # type: ignore[operator]
