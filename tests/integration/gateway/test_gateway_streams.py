"""Server-sent events: every chunk once, in order, across reconnects and restarts."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient

from messaging.connection import NatsBus
from schemas.plans import PlanOutcome
from services.gateway.context import Gateway
from services.gateway.settings import Settings
from tests.integration.gateway.builders import NOW, cluster, event, job, log, plan, publish_cluster, put_job, record
from tests.integration.gateway.conftest import started
from tests.support.nats_server import NatsServer

Client = TestClient[Any, Any]
Event = tuple[str, str, Any]


async def events(answer: ClientResponse) -> AsyncIterator[Event]:
    """``(event, id, data)`` of each event until the response ends."""
    fields: dict[str, str] = {}
    async for raw in answer.content:
        line = raw.decode().rstrip("\n")
        if not line and "data" in fields:
            yield fields.get("event", "message"), fields.get("id", ""), msgspec.json.decode(fields["data"])
            fields = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


async def take(answer: ClientResponse, count: int) -> list[Event]:
    """The next events."""
    found: list[Event] = []
    async with asyncio.timeout(10):
        async for one in events(answer):
            found.append(one)
            if len(found) == count:
                break
    return found


async def rest(answer: ClientResponse) -> list[Event]:
    """All events until the end."""
    async with asyncio.timeout(10):
        return [one async for one in events(answer)]


async def test_a_follower_sees_the_past_then_the_present_then_the_end(client: Client, bus: NatsBus) -> None:
    await put_job(bus, job("j1", status="running"))
    await log(bus, 0, "one", "two")
    async with client.get("/jobs/j1/logs/stream") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-cache, no-transform"
        assert answer.headers["X-Accel-Buffering"] == "no"
        first = await take(answer, 1)
        assert first[0][2]["lines"] == ["one", "two"]
        await log(bus, 2, "three")
        assert (await take(answer, 1))[0][2]["first"] == 2
        await log(bus, 3, "four")
        await put_job(bus, job("j1", status="success", pr_url="http://x/pulls/1"))
        last = await rest(answer)
    assert [(name, data.get("first"), data.get("status")) for name, _, data in last] == [
        ("log", 3, None),
        ("end", None, "success"),
    ]


async def test_a_reader_resumes_across_a_restart_of_the_gateway_without_gap_or_repeat(
    settings: Settings, bus: NatsBus
) -> None:
    await put_job(bus, job("j1", status="running"))
    for index in range(50):
        await log(bus, index, f"line {index}")
    seen: list[Event] = []
    async with started(settings, bus) as (_, client), client.get("/jobs/j1/logs/stream") as answer:
        seen += await take(answer, 20)
    for index in range(50, 60):
        await log(bus, index, f"line {index}")
    async with (
        started(settings, bus) as (_, client),
        client.get("/jobs/j1/logs/stream", headers={"Last-Event-ID": seen[-1][1]}) as answer,
    ):
        seen += await take(answer, 40)
    assert [data["first"] for _, _, data in seen] == list(range(60))


async def test_a_stopping_gateway_ends_its_streams_at_once(settings: Settings, bus: NatsBus) -> None:
    await put_job(bus, job("j1", status="running"))
    await log(bus, 0, "one")
    async with started(settings, bus) as (gateway, client), client.get("/jobs/j1/logs/stream") as answer:
        await take(answer, 1)
        gateway.stopping.set()
        assert await rest(answer) == []


async def test_whoever_has_seen_the_end_is_told_not_to_come_back(client: Client, bus: NatsBus) -> None:
    await put_job(bus, job("j1", status="failed"))
    sequence = await log(bus, 0, "one")
    again = await client.get("/jobs/j1/logs/stream", headers={"Last-Event-ID": str(sequence)})
    assert again.status == 204
    async with client.get("/jobs/j1/logs/stream", params={"after": "0"}) as answer:
        assert [name for name, _, _ in await rest(answer)] == ["log", "end"]
    assert (await client.get("/jobs/j1/logs/stream", headers={"Last-Event-ID": "x"})).status == 422


async def test_a_job_that_printed_nothing_ends_once(client: Client, bus: NatsBus) -> None:
    await put_job(bus, job("j1", status="cancelled"))
    async with client.get("/jobs/j1/logs/stream") as answer:
        found = await rest(answer)
    assert [(name, id_) for name, id_, _ in found] == [("end", "0")]
    assert (await client.get("/jobs/j1/logs/stream", headers={"Last-Event-ID": "0"})).status == 204


async def test_a_follower_lives_through_a_crash_of_the_broker(client: Client, bus: NatsBus, nats: NatsServer) -> None:
    await put_job(bus, job("j1", status="running"))
    await log(bus, 0, "before")
    async with client.get("/jobs/j1/logs/stream") as answer:
        assert (await take(answer, 1))[0][2]["first"] == 0
        await nats.restart()
        await log(bus, 1, "after")
        assert (await take(answer, 1))[0][2]["first"] == 1
        await put_job(bus, job("j1", status="success"))
        assert [name for name, _, _ in await rest(answer)] == ["end"]
    assert (await client.post("/ingest/manual", json={"text": "still here"})).status == 200


async def test_job_events_end_after_the_last_status(client: Client, bus: NatsBus) -> None:
    await put_job(bus, job("j1", status="running"))
    await event(bus, 1, "pending")
    await event(bus, 2, "running")
    async with client.get("/jobs/j1/events") as answer:
        assert [data["n"] for _, _, data in await take(answer, 2)] == [1, 2]
        await event(bus, 3, "success")
        await put_job(bus, job("j1", status="success"))
        found = await rest(answer)
    assert [name for name, _, _ in found] == ["status", "end"]


async def test_project_events_resume_by_their_composite_id(client: Client, bus: NatsBus, gateway: Gateway) -> None:
    async with client.get("/events") as answer:
        hello = (await take(answer, 1))[0]
        assert hello[0] == "hello"
        await publish_cluster(bus, cluster())
        await event(bus, 1, "pending")
        seen = await take(answer, 2)
    assert {name for name, _, _ in seen} == {"cluster", "job"}
    assert all("evidence" not in data for _, _, data in seen)
    outcome = PlanOutcome(request_id="r1", status="done", version=1, at=NOW)
    await gateway.plans.records.put("default.c1", record(plan(), outcome))
    async with client.get("/events", headers={"Last-Event-ID": hello[1]}) as answer:
        again = await take(answer, 3)
    assert {name for name, _, _ in again} == {"cluster", "job", "plan"}
    async with client.get("/events", params={"after": again[-1][1]}) as answer:
        await event(bus, 2, "running")
        assert [(name, data["n"]) for name, _, data in await take(answer, 1)] == [("job", 2)]
    assert (await client.get("/events", params={"after": "12"})).status == 422


async def test_many_viewers_share_one_follower(client: Client, bus: NatsBus, gateway: Gateway) -> None:
    await put_job(bus, job("j1", status="running"))
    answers = await asyncio.gather(*(client.get("/jobs/j1/logs/stream") for _ in range(40)))
    for index in range(20):
        await log(bus, index, f"line {index}")
    await put_job(bus, job("j1", status="success"))
    found = await asyncio.gather(*(rest(answer) for answer in answers))
    assert all([data["first"] for name, _, data in one if name == "log"] == list(range(20)) for one in found)
    assert len(gateway.hubs) == 1


async def test_pages_of_a_log_go_on_where_the_last_one_ended(client: Client, bus: NatsBus) -> None:
    await put_job(bus, job("j1", status="running"))
    for index in range(5):
        await log(bus, index, f"line {index}")
        await log(bus, index, "other", job_id="j2")
    first = await (await client.get("/jobs/j1/logs", params={"limit": "3"})).json()
    assert (first["chunks"], first["has_more"]) == (["line 0\n", "line 1\n", "line 2\n"], True)
    params = {"limit": "3", "cursor": str(first["next_cursor"])}
    second = await (await client.get("/jobs/j1/logs", params=params)).json()
    assert (second["chunks"], second["has_more"], second["source"]) == (["line 3\n", "line 4\n"], False, "stream")
    third = await (await client.get("/jobs/j1/logs", params={"cursor": str(second["next_cursor"])})).json()
    assert (third["chunks"], third["next_cursor"]) == ([], second["next_cursor"])
    assert await (await client.get("/jobs/j1/logs/raw")).text() == "".join(f"line {index}\n" for index in range(5))


async def test_an_archived_log_reads_like_a_live_one(client: Client, bus: NatsBus) -> None:
    await put_job(bus, job("j9", status="success"))
    lines = [
        f'{{"job_id":"j9","project_id":"default","attempt":1,"first":{i},"lines":["l{i}"],"at":"2026-01-01T00:00:00Z"}}'
        for i in range(3)
    ]
    await bus.objects().put("logs/default/j9.ndjson", "\n".join(lines).encode())
    page = await (await client.get("/jobs/j9/logs", params={"limit": "2"})).json()
    assert (page["source"], page["chunks"], page["has_more"]) == ("archive", ["l0\n", "l1\n"], True)
    assert await (await client.get("/jobs/j9/logs/raw")).text() == "l0\nl1\nl2\n"
