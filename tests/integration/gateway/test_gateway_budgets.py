"""What a project has spent and has left, as HTTP tells it."""

import asyncio
from typing import Any

from aiohttp.test_utils import TestClient

from messaging.connection import NatsBus
from schemas import subjects
from schemas.plans import PlanRecord
from schemas.spending import Spend
from services.gateway.context import Gateway
from tests.integration.gateway.builders import NOW, cluster, job, publish_cluster, put_job
from tests.integration.gateway.test_gateway_plans import planning
from tests.support.eventually import eventually

Client = TestClient[Any, Any]


async def test_a_spent_budget_refuses_a_start_and_says_when_it_refills(
    gateway: Gateway, client: Client, bus: NatsBus
) -> None:
    await publish_cluster(bus, cluster())
    async with client.patch("/projects/default", json={"budget": {"usd_day": 2.0, "tokens_month": 10**9}}) as answer:
        assert answer.status == 200
    today = gateway.clock.now().date().isoformat()
    spent = job("j0", status="success", cluster_id="c0", spending={today: Spend(tokens=900, usd=2.5, unpriced=100)})
    await put_job(bus, spent)
    await eventually(lambda: gateway.jobs.get("default", "j0") is not None)
    async with client.get("/projects/default/budget") as answer:
        told = await answer.json()
    day, month = told["periods"]
    assert (told["spent"], day["usd_spent"], day["usd_left"], day["tokens_left"]) == (True, 2.5, 0.0, None)
    assert (month["tokens_spent"], month["tokens_left"], month["unpriced_tokens"]) == (900, 10**9 - 900, 100)
    async with client.post("/clusters/c1/start_fix", json={}) as answer:
        refused = await answer.json()
        assert (answer.status, refused["code"]) == (429, "budget_spent")
        assert refused["refills_at"][:19] == day["refills_at"][:19]
        assert 0 < int(answer.headers["Retry-After"]) <= 86_400
    assert await bus.count(subjects.REQUESTS) == 0
    async with client.patch("/projects/default", json={"budget": None}) as answer:
        assert answer.status == 200
    async with client.post("/clusters/c1/start_fix", json={}) as answer:
        assert answer.status == 200


async def test_viewers_hear_what_the_project_spends(gateway: Gateway, client: Client, bus: NatsBus) -> None:
    async with client.get("/events") as stream:
        assert b"hello" in await _until(stream, b"event: hello")
        today = gateway.clock.now().date().isoformat()
        await put_job(bus, job("j0", spending={today: Spend(tokens=900, usd=2.5)}))
        assert b'"tokens_spent":900' in await _until(stream, b"event: budget")


async def test_plans_count_in_the_projects_budget_and_are_asked_for_with_what_is_left_of_it(
    gateway: Gateway, client: Client, bus: NatsBus
) -> None:
    await publish_cluster(bus, cluster())
    async with client.patch("/projects/default", json={"budget": {"tokens_day": 1000}}) as answer:
        assert answer.status == 200
    today = gateway.clock.now().date().isoformat()
    paid = PlanRecord(project_id="default", cluster_id="c9", spending={today: Spend(tokens=900)}, updated_at=NOW)
    await bus.state(subjects.KV_PLANS, PlanRecord).put("default.c9", paid)

    async def told() -> None:
        async with client.get("/projects/default/budget") as answer:
            assert (await answer.json())["periods"][0]["tokens_left"] == 100

    await eventually(told, within=30)
    async with planning(bus) as planner, client.post("/clusters/c1/plan") as answer:
        assert answer.status == 201
        assert planner.asked[0].left is not None
        assert planner.asked[0].left.tokens == 100


async def _until(stream: Any, word: bytes) -> bytes:
    """What comes until a frame with ``word`` is whole."""
    data = b""
    async with asyncio.timeout(30):
        while word not in data or not data.endswith(b"\n\n"):
            data += await stream.content.readany()
    return data
