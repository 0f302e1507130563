"""Vectors come in time or not at all, over real HTTP; nothing that an endpoint does becomes an exception."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from runtime.clock import ManualClock
from services.triage.embedder import Embedder, Stopping
from services.triage.embedding_requests import Requests
from services.triage.endpoint import Endpoint
from services.triage.engine import Report
from tests.support.embedding_server import (
    FINE,
    EmbeddingServer,
    Reply,
    Script,
    always,
    embedding_server,
    in_order,
    vector_of,
)
from tests.support.eventually import eventually

KEY = "sk-secret-0123456789"


def report(number: int, title: str = "") -> Report:
    return Report(id=f"r{number}", title=title or f"Trouble number {number}")


def some(count: int, first: int = 0) -> list[Report]:
    return [report(number) for number in range(first, first + count)]


@asynccontextmanager
async def asking(
    server: EmbeddingServer, clock: ManualClock | None = None, over: asyncio.Event | None = None, **more: Any
) -> AsyncIterator[Embedder]:
    given = {"batch": 64, "seconds": 30.0, "per_hour": 1_000, **more}
    endpoint = Endpoint("double", url=server.url, key=KEY, seconds=given["seconds"])
    try:
        yield Embedder(
            Requests(endpoint, batch=given.pop("batch")), clock or ManualClock(), over or asyncio.Event(), **given
        )
    finally:
        await endpoint.close()


@asynccontextmanager
async def asked(script: Script, **more: Any) -> AsyncIterator[tuple[EmbeddingServer, Embedder]]:
    async with embedding_server(script) as server, asking(server, **more) as embedder:
        yield server, embedder


def sizes(server: EmbeddingServer) -> list[int]:
    return [len(request["input"]) for request in server.requests]


async def test_a_batch_is_one_request_as_the_vendor_documents_it_and_vectors_find_their_reports() -> None:
    async with asked(always(FINE)) as (server, embedder):
        found = await embedder.vectors(some(5))
        assert {id_: list(vector) for id_, vector in found.items()} == {
            one.id: vector_of(text) for one, text in zip(some(5), server.texts, strict=True)
        }
        (request,) = server.requests
        assert {name: request[name] for name in ("model", "encoding_format")} == {
            "model": "double",
            "encoding_format": "float",
        }
        assert (server.keys, server.paths) == ([KEY], ["/v1/embeddings"])
        assert (embedder.status().state, embedder.status().given, embedder.status().missing) == ("working", 5, 0)


async def test_more_than_a_request_holds_is_several_requests() -> None:
    async with asked(always(FINE), batch=4) as (server, embedder):
        assert len(await embedder.vectors(some(10))) == 10
        assert sorted(sizes(server)) == [2, 4, 4]


async def test_the_same_text_is_asked_once_and_a_report_without_words_never() -> None:
    async with asked(always(FINE)) as (server, embedder):
        first = await embedder.vectors(
            [report(1, "The same"), report(2, "The same"), report(3, "Other"), Report(id="e")]
        )
        again = await embedder.vectors([report(4, "The same"), report(1, "The same")])
        assert sizes(server) == [2]
        assert (sorted(first), sorted(again)) == (["r1", "r2", "r3"], ["r1", "r4"])
        assert await embedder.vectors([]) == {}


async def test_a_text_with_a_credential_in_it_is_not_sent() -> None:
    token = "ghp_" + "a1B2" * 9
    async with asked(always(FINE)) as (server, embedder):
        assert sorted(await embedder.vectors([report(1, f"Push fails with {token}"), report(2)])) == ["r2"]
        assert server.texts == ["Trouble number 2"]
        assert (embedder.status().given, embedder.status().missing) == (1, 0)


async def test_hostile_text_reaches_the_server_as_utf_8() -> None:
    async with asked(always(FINE)) as (server, embedder):
        assert len(await embedder.vectors([report(1, "lone \ud800 and \x00 and \U0001f600")])) == 1
        assert "\ud800" not in server.texts[0]


TROUBLES = [
    (Reply(status=401, said=f"Incorrect API key provided: {KEY}"), "HTTP 401"),
    (Reply(status=404, said="model not found"), "HTTP 404"),
    (Reply(status=429, said="slow down"), "HTTP 429"),
    (Reply(status=503), "HTTP 503"),
    (Reply(status=500), "HTTP 500"),
    (Reply(status=307, headers=("Location: http://127.0.0.1:9/elsewhere",)), "redirects are not followed"),
    (Reply(raw=b"<html>Bad gateway</html>"), "no list of embeddings"),
    (Reply(raw=b'{"data": []}'), "vectors came for"),
    (Reply(raw=b"\x1f\x8b\x08 broken", headers=("Content-Encoding: gzip",)), ""),
    (Reply(fault="refuse"), "onnect"),
    (Reply(fault="cut"), "no list of embeddings"),
    (Reply(fault="endless"), "longer than"),
    (Reply(fault="endless_error"), "HTTP 500"),
]


@pytest.mark.parametrize(
    ("reply", "reason"), TROUBLES, ids=[f"{r.status}-{r.fault}-{n}" for n, (r, _) in enumerate(TROUBLES)]
)
async def test_an_endpoint_in_trouble_gives_no_vectors_and_is_left_alone_for_a_while(reply: Reply, reason: str) -> None:
    clock = ManualClock()
    async with asked(always(reply), clock=clock) as (server, embedder):
        with capture_logs() as logs:
            assert await embedder.vectors(some(3)) == {}
            before = len(server.requests)
            assert before >= 1
            assert await embedder.vectors(some(3)) == {}
            assert len(server.requests) == before
        status = embedder.status()
        assert (status.state, status.missing) == ("failing", 6)
        assert reason in (status.reason or "")
        assert status.next_at is not None
        assert [entry["event"] for entry in logs] == ["embeddings.failed"]
        assert KEY not in f"{logs} {status}"
        assert server.sent < 50_000_000
        server.script = always(FINE)
        clock.advance(16)
        assert len(await embedder.vectors(some(3))) == 3
        assert (embedder.status().state, embedder.status().reason) == ("working", None)


async def test_nobody_waits_longer_than_the_timeout() -> None:
    async with asked(always(Reply(fault="hang")), seconds=0.2, batch=1) as (server, embedder):
        assert await embedder.vectors(some(9)) == {}
        assert embedder.status().reason == "no answer within 0.2 s"
        assert 1 <= len(server.requests) <= 9


async def test_what_came_in_time_is_used() -> None:
    def script(texts: list[str], number: int) -> Reply:
        return Reply(fault="hang") if "Trouble number 7" in texts[0] else FINE

    async with asked(script, seconds=3.0, batch=1) as (_, embedder):
        assert sorted(await embedder.vectors(some(8))) == [f"r{n}" for n in range(7)]
        assert embedder.status().state == "failing"


async def test_the_pause_grows_with_each_failure_and_obeys_the_server() -> None:
    clock = ManualClock()
    async with asked(always(Reply(status=503)), clock=clock) as (server, embedder):
        for seconds in (15, 30, 60):
            await embedder.vectors(some(2))
            asked_ = len(server.requests)
            clock.advance(seconds - 1)
            await embedder.vectors(some(2))
            assert len(server.requests) == asked_
            clock.advance(1)
        server.script = always(Reply(status=429, headers=("Retry-After: 1800",)))
        await embedder.vectors(some(2))
        clock.advance(1_799)
        server.script = always(FINE)
        assert await embedder.vectors(some(2)) == {}
        clock.advance(1)
        assert len(await embedder.vectors(some(2))) == 2


def no_poison(texts: Sequence[str], number: int) -> Reply:
    return Reply(status=400, said="maximum context length") if any("POISON" in text for text in texts) else FINE


async def test_one_text_that_the_server_cannot_take_costs_its_neighbours_nothing() -> None:
    reports = [*some(40), report(98, "POISON one"), *some(20, 40), report(99, "POISON two")]
    async with asked(no_poison) as (server, embedder):
        found = await embedder.vectors(reports)
        assert sorted(found) == sorted(one.id for one in reports[:40] + reports[41:61])
        assert embedder.status().state == "working"
        assert len(server.requests) <= 1 + 8 + 16
        assert len(await embedder.vectors(some(64, 100))) == 64
        assert sizes(server)[-1] == 64


async def test_a_stranger_who_sends_what_the_server_cannot_take_makes_no_pause_grow() -> None:
    clock = ManualClock()
    async with asked(no_poison, clock=clock) as (_, embedder):
        for number in range(5):
            assert await embedder.vectors([report(number, f"POISON {number}")]) == {}
            clock.advance(16)
            assert embedder.status().next_at is None


async def test_a_server_that_takes_fewer_texts_at_a_time_is_learned() -> None:
    def script(texts: list[str], number: int) -> Reply:
        return Reply(status=422, said="batch size > maximum allowed batch size 32") if len(texts) > 32 else FINE

    async with asked(script) as (server, embedder):
        assert len(await embedder.vectors(some(64))) == 64
        before = len(server.requests)
        assert len(await embedder.vectors(some(64, 64))) == 64
        assert sizes(server)[before:] == [32, 32]
        assert embedder.status().state == "working"


async def test_an_outage_is_not_answered_with_many_requests() -> None:
    async with asked(always(Reply(status=500))) as (server, embedder):
        await embedder.vectors(some(64))
        assert len(server.requests) == 9


async def test_another_model_behind_the_same_name_is_noticed() -> None:
    clock = ManualClock()
    async with asked(in_order(FINE, Reply(dims=8)), clock=clock) as (_, embedder):
        await embedder.vectors(some(2))
        assert await embedder.vectors(some(2, 2)) == {}
        assert "8 numbers now" in (embedder.status().reason or "")


async def test_the_budget_of_the_hour_is_kept_and_told_once() -> None:
    clock = ManualClock()
    async with asked(always(FINE), clock=clock, per_hour=5) as (server, embedder):
        with capture_logs() as logs:
            assert len(await embedder.vectors(some(4))) == 4
            assert len(await embedder.vectors(some(4, 4))) == 1
            assert await embedder.vectors(some(4, 8)) == {}
        assert [entry["event"] for entry in logs] == ["embeddings.budget_spent"]
        assert (embedder.status().state, len(server.texts)) == ("budget_spent", 5)
        clock.advance(3_600)
        assert len(await embedder.vectors(some(5, 20))) == 5


async def test_a_stop_ends_the_asking_and_nothing_is_placed_without() -> None:
    over = asyncio.Event()
    async with asked(always(Reply(fault="hang")), over=over) as (server, embedder):
        task = asyncio.create_task(embedder.vectors(some(2)))
        await eventually(lambda: bool(server.requests))
        over.set()
        with pytest.raises(Stopping):
            await task
        assert embedder.status().state == "working"


async def test_a_cancelled_batch_leaves_no_request_behind() -> None:
    async with asked(always(Reply(fault="hang"))) as (server, embedder):
        task = asyncio.create_task(embedder.vectors(some(2)))
        await eventually(lambda: bool(server.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_address_that_is_none_is_said() -> None:
    endpoint = Endpoint("double", url="no address", key="", seconds=1.0)
    embedder = Embedder(Requests(endpoint, batch=4), ManualClock(), asyncio.Event(), seconds=1.0, per_hour=10)
    assert await embedder.vectors(some(1)) == {}
    assert "protocol" in (embedder.status().reason or "")
    await endpoint.close()
