"""Budgets, enforced outside the agent: the model proxy refuses, the work is kept, the next attempt knows."""

from datetime import UTC, datetime
from pathlib import Path

from messaging.connection import NatsBus
from runner_core.metering import Prices
from schemas import subjects
from schemas.attempts import AttemptEvent
from schemas.base import decode
from schemas.jobs import Limits
from schemas.projects import Project
from schemas.spending import Spend
from tests.integration.runner.rig import FIX, PROJECT, Rig, rig
from tests.integration.runner.test_model import asking
from tests.support.nats_server import NatsServer
from tests.support.scripted_agent import ScriptedAgent
from tests.support.scripted_model import Turn, always, scripted_model

PRICES = Prices(input=1000.0, output=10_000.0, cached=0.0)  # a call of 100 and 10 tokens costs $0.20
GREEDY = ScriptedAgent(f"{FIX}\n{asking('while True: ask()')}")


async def limit(at: Rig, **budget: float) -> None:
    project = Project(
        id=PROJECT, name="P", user_id="u", created_at=datetime.now(UTC), settings={"fix": {"budget": budget}}
    )
    await at.bus.state(subjects.KV_PROJECTS, Project).put(subjects.key("project", PROJECT), project)


async def test_a_running_job_is_stopped_when_the_projects_money_runs_out_and_its_work_is_kept(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with (
        scripted_model(always(Turn("more"))) as model,
        rig(bus, nats.url, tmp_path, GREEDY, model.url, prices=PRICES) as at,
    ):
        await limit(at, usd_day=1.0)
        job = await at.fixed(limits=Limits(wall_seconds=60, tokens=100_000, cost_usd=50.0))
        assert job.failure is not None
        assert (job.status, job.failure.kind) == ("failed", "budget")
        assert "budget of the project is spent: it refills on" in job.failure.reason
        assert 1.0 <= job.usage.cost_usd <= 1.2, "one call at most beyond what was left"
        assert job.spending == {datetime.now(UTC).date().isoformat(): Spend(tokens=550, usd=job.usage.cost_usd)}
        assert job.patch_key, "what the agent had done"
        await at.nothing_left()


async def test_a_jobs_budget_holds_over_its_attempts(nats: NatsServer, bus: NatsBus, tmp_path: Path) -> None:
    agent = ScriptedAgent(asking("[ask() for _ in range(3)]; os.kill(os.getpid(), 9)") + "\nexit 3")
    limits = Limits(wall_seconds=60, tokens=440)
    async with (
        scripted_model(always(Turn("hello"))) as model,
        rig(bus, nats.url, tmp_path, agent, model.url, attempts=2) as at,
    ):
        job = await at.fixed(limits=limits)
        assert job.failure is not None
        assert (job.attempt, job.failure.kind) == (2, "budget"), "three calls in the first, the fifth was refused"
        assert (job.usage.requests, job.usage.input_tokens + job.usage.output_tokens) == (4, 440)
        assert job.usage.unpriced_tokens == 440
        assert "its price is not known (MODEL_PRICES)" in await at.log("JOB1")


async def test_what_is_spent_is_told_while_the_job_runs(nats: NatsServer, bus: NatsBus, tmp_path: Path) -> None:
    agent = ScriptedAgent(f"{FIX}\n{asking('ask(); import time; time.sleep(2)')}")
    async with scripted_model(always(Turn("hello"))) as model, rig(bus, nats.url, tmp_path, agent, model.url) as at:
        job = await at.fixed()
        assert job.status == "success", job.failure
        stored = await bus.page(subjects.JOBS, subjects.job_attempt(PROJECT, "JOB1"))
        told = [decode(message.data, AttemptEvent) for message in stored]
        assert any(event.kind == "usage" and event.usage and event.usage.requests == 1 for event in told)
