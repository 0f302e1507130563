"""Plans through a real broker, with a planner that answers from a script."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest_asyncio
from aiohttp.test_utils import TestClient

from messaging.connection import NatsBus
from messaging.ports import Out
from messaging.worker import Context, Worker
from schemas import subjects
from schemas.errors import Failure
from schemas.plans import Plan, PlanOutcome, PlanRecord, PlanRequest, Stale
from services.gateway.settings import Settings
from tests.integration.gateway.builders import NOW, cluster, plan, publish_cluster, record
from tests.integration.gateway.conftest import started

Client = TestClient[Any, Any]
Decide = Callable[[PlanRequest, PlanRecord | None], PlanRecord]


def obedient(request: PlanRequest, held: PlanRecord | None) -> PlanRecord:
    """Does as told; refuses a stale version."""
    current = held.current if held else None
    number = current.version if current else 0
    if request.action != "generate" and request.expected_version != number:
        return record(current, PlanOutcome(request_id=request.id, status="conflict", at=NOW))
    if request.action == "generate":
        made = plan(number + 1)
    elif request.action == "check":
        assert current is not None
        found = Stale(since=NOW, reason="a.py changed.", files=["a.py"])
        made = msgspec.structs.replace(current, notes=["Stale: a.py changed."], stale=found, checked_at=NOW)
        if request.reground:
            made = msgspec.structs.replace(made, version=number + 1, notes=[], stale=None)
    elif request.action == "approve":
        assert current is not None
        made = msgspec.structs.replace(current, version=number + 1, approved_by=request.requested_by)
    else:
        assert current is not None
        fields = {name: msgspec.convert(value, _type(name)) for name, value in request.changes.items()}
        made = msgspec.structs.replace(current, version=number + 1, **fields)
    return record(made, PlanOutcome(request_id=request.id, status="done", version=made.version, at=NOW))


def _type(name: str) -> Any:
    return next(field.type for field in msgspec.structs.fields(Plan) if field.name == name)


class Planner:
    """Answers with ``decide``; what it was asked is in ``asked``."""

    def __init__(self, bus: NatsBus) -> None:
        self.bus = bus
        self.decide: Decide = obedient
        self.asked: list[PlanRequest] = []

    async def run(self, stop: asyncio.Event) -> None:
        await Worker(self.bus, "planner", self.handle, PlanRequest, slots=1).run(stop)

    async def handle(self, request: PlanRequest, context: Context) -> AsyncIterator[Out]:
        records, versions = self.bus.state(subjects.KV_PLANS, PlanRecord), self.bus.state(subjects.KV_PLANS, Plan)
        self.asked.append(request)
        entry = await records.get("default.c1")
        held = entry.value if entry else None
        if held is not None and held.current is not None:
            await versions.put(f"default.c1.v{held.current.version}", held.current)
        decided = self.decide(request, held)
        outcomes = [*(held.outcomes if held else []), *decided.outcomes][-20:]
        await records.put("default.c1", msgspec.structs.replace(decided, outcomes=outcomes))
        return
        yield


@asynccontextmanager
async def planning(bus: NatsBus) -> AsyncIterator[Planner]:
    """A scripted planner, running."""
    found, stop = Planner(bus), asyncio.Event()
    task = asyncio.create_task(found.run(stop))
    try:
        yield found
    finally:
        stop.set()
        await task


@pytest_asyncio.fixture
async def planner(bus: NatsBus) -> AsyncIterator[Planner]:
    """The scripted planner, running."""
    async with planning(bus) as found:
        yield found


async def test_a_plan_is_made_read_edited_and_its_versions_kept(client: Client, bus: NatsBus, planner: Planner) -> None:
    await publish_cluster(bus, cluster())
    missing = await client.get("/clusters/c1/plan")
    assert (missing.status, (await missing.json())["detail"]) == (404, "No plan found for this cluster")
    made = await client.post("/clusters/c1/plan")
    assert (made.status, made.headers["ETag"]) == (201, '"v1"')
    edited = await client.patch(
        "/clusters/c1/plan",
        json={"steps": ["One", "Two"], "candidate_files": [{"path": "a.py"}]},
        headers={"If-Match": '"v1"'},
    )
    body = await edited.json()
    assert (edited.status, edited.headers["ETag"], body["steps"]) == (200, '"v2"', ["One", "Two"])
    assert body["candidate_files"][0]["path"] == "a.py"
    again = await client.post("/clusters/c1/plan")
    assert (again.status, (await again.json())["version"]) == (200, 3)
    versions = (await (await client.get("/clusters/c1/plan/versions")).json())["items"]
    assert [one["version"] for one in versions] == [3, 2, 1]


async def test_an_edit_of_a_version_not_seen_is_refused(client: Client, bus: NatsBus, planner: Planner) -> None:
    await publish_cluster(bus, cluster())
    for _ in range(2):
        await client.post("/clusters/c1/plan")
    answer = await client.patch("/clusters/c1/plan", json={"title": "Mine"}, headers={"If-Match": '"v1"'})
    body = await answer.json()
    assert (answer.status, body["code"], body["version"]) == (412, "plan_changed", 2)
    racing = await asyncio.gather(
        *(
            client.patch("/clusters/c1/plan", json={"title": f"T{index}"}, headers={"If-Match": '"v2"'})
            for index in range(4)
        )
    )
    assert sorted(one.status for one in racing) == [200, 412, 412, 412]


async def test_what_cannot_be_part_of_a_plan_is_named(client: Client, bus: NatsBus, planner: Planner) -> None:
    await publish_cluster(bus, cluster())
    await client.post("/clusters/c1/plan")
    bad: list[tuple[dict[str, Any], str]] = [
        ({"steps": "one"}, "steps"),
        ({"steps": [1]}, "steps[0]"),
        ({"title": None}, "title"),
        ({"version": 9}, "version"),
        ({"candidate_files": [{"score": 1.0}]}, "candidate_files[0].path"),
        ({"hypotheses": [{"statement": "x", "confidence": 7.0}]}, "hypotheses[0].confidence"),
        ({"title": "a\u0000b"}, "title"),
    ]
    for changes, field in bad:
        answer = await client.patch("/clusters/c1/plan", json=changes)
        body = await answer.json()
        assert (answer.status, body["errors"][0]["field"]) == (422, field), body
    assert len(planner.asked) == 1


async def test_a_planner_that_cannot_is_503_with_its_reason_and_no_plan(
    client: Client, bus: NatsBus, planner: Planner
) -> None:
    def fails(request: PlanRequest, held: PlanRecord | None) -> PlanRecord:
        failure = Failure(kind="repository", reason="acme/shop does not clone.", action="Check the address.")
        return record(None, PlanOutcome(request_id=request.id, status="failed", failure=failure, at=NOW))

    planner.decide = fails
    await publish_cluster(bus, cluster())
    answer = await client.post("/clusters/c1/plan")
    body = await answer.json()
    assert (answer.status, body["code"], body["kind"]) == (503, "planning_failed", "repository")
    assert "acme/shop does not clone. Check the address." in body["detail"]
    assert (await client.get("/clusters/c1/plan")).status == 404


async def test_a_planner_that_is_away_is_503_and_the_request_waits_for_it(settings: Settings, bus: NatsBus) -> None:
    await publish_cluster(bus, cluster())
    hasty = msgspec.structs.replace(settings, plan_wait_seconds=0.2)
    async with started(hasty, bus) as (_, client):
        headers = {"Idempotency-Key": "once"}
        answer = await client.post("/clusters/c1/plan", headers=headers)
        assert (answer.status, (await answer.json())["code"]) == (503, "planner_unavailable")
        assert "Retry-After" in answer.headers
        async with planning(bus) as found, asyncio.timeout(5):
            while (answer := await client.post("/clusters/c1/plan", headers=headers)).status != 201:
                pass
        assert len(found.asked) == 1


async def test_an_approval_is_bound_to_a_version(client: Client, bus: NatsBus, planner: Planner) -> None:
    await publish_cluster(bus, cluster())
    await client.post("/clusters/c1/plan")
    assert (await client.post("/clusters/c1/plan/approve", json={"version": 7})).status == 412
    answer = await client.post("/clusters/c1/plan/approve", json={"version": 1})
    assert (await answer.json())["approved_by"] == "admin"


async def test_an_edit_that_the_planner_refuses_is_422(client: Client, bus: NatsBus, planner: Planner) -> None:
    await publish_cluster(bus, cluster())
    await client.post("/clusters/c1/plan")

    def refuses(request: PlanRequest, held: PlanRecord | None) -> PlanRecord:
        failure = Failure(kind="planning", reason="candidate_files: '/etc' is no path inside the repository.")
        outcome = PlanOutcome(request_id=request.id, status="failed", failure=failure, at=NOW)
        return record(held.current if held else None, outcome)

    planner.decide = refuses
    answer = await client.patch("/clusters/c1/plan", json={"candidate_files": [{"path": "/etc"}]})
    assert (answer.status, (await answer.json())["code"]) == (422, "edit_refused")


async def test_an_edit_that_met_a_bug_of_the_planner_is_503(client: Client, bus: NatsBus, planner: Planner) -> None:
    await publish_cluster(bus, cluster())
    await client.post("/clusters/c1/plan")

    def fails(request: PlanRequest, held: PlanRecord | None) -> PlanRecord:
        failure = Failure(kind="infrastructure", reason="The planner failed unexpectedly.")
        outcome = PlanOutcome(request_id=request.id, status="failed", failure=failure, at=NOW)
        return record(held.current if held else None, outcome)

    planner.decide = fails
    answer = await client.patch("/clusters/c1/plan", json={"steps": ["One"]})
    assert (answer.status, (await answer.json())["code"]) == (503, "planning_failed")


async def test_a_check_is_asked_of_the_planner_and_its_note_is_shown_with_the_plan(
    client: Client, bus: NatsBus, planner: Planner
) -> None:
    await publish_cluster(bus, cluster())
    assert (await client.post("/clusters/c1/plan/check")).status == 404
    await client.post("/clusters/c1/plan")
    answer = await client.post("/clusters/c1/plan/check")
    assert (answer.status, answer.headers["ETag"]) == (200, '"v1"')
    assert (await answer.json())["notes"] == ["Stale: a.py changed."]
    shown = await (await client.get("/clusters/c1/plan")).json()
    assert shown["notes"] == ["Stale: a.py changed."]
    assert shown["checked_at"] is not None
    assert (shown["stale"]["reason"], shown["stale"]["files"]) == ("a.py changed.", ["a.py"])
    assert [request.reground for request in planner.asked] == [False, False]


async def test_a_check_may_ask_for_a_stale_plan_to_be_made_again_from_its_reports(
    client: Client, bus: NatsBus, planner: Planner
) -> None:
    await publish_cluster(bus, cluster())
    await client.post("/clusters/c1/plan")
    answer = await client.post("/clusters/c1/plan/check", json={"reground": True})
    assert (answer.status, answer.headers["ETag"], (await answer.json())["stale"]) == (200, '"v2"', None)
    asked = planner.asked[-1]
    assert (asked.action, asked.expected_version, asked.reground) == ("check", 1, True)
    assert asked.cluster is not None
    late = await client.post("/clusters/c1/plan/check", json={"reground": True}, headers={"If-Match": '"v1"'})
    assert late.status == 412
    assert (await client.post("/clusters/c1/plan/check", json={"reground": "please"})).status == 422


async def test_versions_show_author_time_and_what_each_changed(client: Client, bus: NatsBus) -> None:
    await publish_cluster(bus, cluster())
    first = plan(1)
    second = plan(2, author="ada", changed_fields=["title"], diff="--- v1/title\n+++ v2/title")
    await bus.state(subjects.KV_PLANS, Plan).put("default.c1.v1", first)
    await bus.state(subjects.KV_PLANS, PlanRecord).put("default.c1", record(second))
    items = (await (await client.get("/clusters/c1/plan/versions")).json())["items"]
    assert [(one["version"], one["author"], one["changed_fields"]) for one in items] == [
        (2, "ada", ["title"]),
        (1, "planner", []),
    ]
    assert items[0]["diff"].startswith("--- v1/title")
    assert all(one["created_at"] for one in items)
