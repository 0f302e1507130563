"""Embeddings by an endpoint: each report in one cluster whatever the endpoint does, and asked for once."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from schemas import subjects
from schemas.base import encode
from tests.integration.triage import kills
from tests.integration.triage.stack import Stack, partition, report, running
from tests.support.embedding_server import DIMS, FINE, EmbeddingServer, Reply, always, embedding_server
from tests.support.eventually import eventually

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
KEY = "sk-secret-0123456789"


def with_endpoint(stack: Stack, server: EmbeddingServer, **more: Any) -> Stack:
    given = {"embeddings_url": server.url, "embeddings_model": "double", "embeddings_api_key": KEY}
    stack.changes = {**given, **more}
    return stack


def reports(first: int, last: int, project: str = "shop") -> list[Any]:
    return [
        report(f"e{n}", f"Trouble {n} with the {kills.THINGS[n % 10]}", kills.DETAILS[n % 7], project_id=project)
        for n in range(first, last)
    ]


async def embeddings(stack: Stack) -> Any:
    return (await stack.call("clustering_status")).embeddings


async def asked(server: EmbeddingServer) -> None:
    await eventually(lambda: bool(server.requests), within=60)


async def test_each_new_report_is_asked_for_once_and_a_restart_and_repeats_ask_nobody(idle: Stack) -> None:
    items = reports(0, 30)
    async with embedding_server() as server:
        async with running(with_endpoint(idle, server)):
            await idle.send(*items)
            before = partition(await idle.stored(30))
            assert len(server.texts) == len(set(server.texts)) == 30
            assert set(server.keys) == {KEY}
            status = await embeddings(idle)
            assert (status.model, status.state, status.given, status.missing) == ("double", "working", 30, 0)
        async with running(idle):
            for place, item in enumerate(items):
                data = encode(item)
                await idle.bus.publish(subjects.feedback("shop", "sentry"), data, msg_id=f"again{place}")
            await idle.send(report("z1", "About something else entirely"))
            assert partition(await idle.stored(31)) >= before - {max(before, key=len)}
            assert len(server.texts) == 31


async def test_vectors_reach_the_engine_and_are_stored_with_the_reports(idle: Stack, tmp_path: Path) -> None:
    async with embedding_server() as server:
        async with running(with_endpoint(idle, server)):
            await idle.send(*reports(0, 8))
            await idle.stored(8)
        idle.changes = {}
        async with running(idle):
            await idle.send(*reports(0, 8, project="without"))
            await idle.stored(8, project="without")
    with closing(sqlite3.connect(tmp_path / "triage.db")) as database:
        ask = "SELECT length(memo) FROM memos JOIN feedback USING (n) WHERE project_id = ? ORDER BY n"
        given, without = ([row[0] for row in database.execute(ask, (name,))] for name in ("shop", "without"))
    assert all(more >= less + DIMS for more, less in zip(given, without, strict=True))


async def test_a_new_state_of_a_known_report_is_not_asked_for(idle: Stack) -> None:
    async with embedding_server() as server, running(with_endpoint(idle, server)):
        first = report("g1", "Old title", source="github")
        await idle.send(first)
        await idle.stored(1)
        newer = report("g1", "New title", source="github", event="updated", received_at=report("x40", "").received_at)
        await idle.bus.publish("feedback.shop.github", encode(newer), msg_id="u1")

        async def updated() -> None:
            assert (await idle.call("feedback_get", id=first.id)).title == "New title"

        await eventually(updated, within=30)
        assert len(server.texts) == 1


async def test_nothing_is_asked_without_address_model_and_an_engine_that_uses_it(idle: Stack) -> None:
    async with embedding_server() as server:
        with_endpoint(idle, server, embeddings_url="")
        async with running(idle):
            await idle.send(*reports(0, 3))
            await idle.stored(3)
            assert await embeddings(idle) is None
        with_endpoint(idle, server, embeddings_model="")
        async with running(idle):
            await idle.send(*reports(3, 5))
            await idle.stored(5)
        with_endpoint(idle, server, clustering_vectors=False)
        async with running(idle):
            await idle.send(*reports(5, 6))
            await idle.stored(6)
        assert server.requests == []


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(status=500), Reply(status=401, said=f"wrong key {KEY}"), Reply(status=429, headers=("Retry-After: 60",)),
        Reply(status=302, headers=("Location: /elsewhere",)), Reply(fault="hang"), Reply(fault="cut"),
        Reply(fault="refuse"), Reply(fault="endless"), Reply(raw=b'{"data": [{"index": 0, "embedding": [NaN]}]}'),
    ],
    ids=lambda reply: f"{reply.status}-{reply.fault}-{len(reply.raw or b'')}",
)  # fmt: skip
async def test_an_endpoint_in_trouble_loses_and_doubles_nothing_and_the_clusters_are_those_without_one(
    idle: Stack, trouble: Reply, capfd: pytest.CaptureFixture[str]
) -> None:
    async with embedding_server(always(trouble)) as server:
        async with running(with_endpoint(idle, server, embeddings_timeout=1.0)):
            await idle.send(*reports(0, 20))
            found = await idle.stored(20, within=60)
            status = await embeddings(idle)
            assert (status.state, status.given, status.missing) == ("failing", 0, 20)
            assert status.reason
            assert KEY not in status.reason
            assert [item.external_id for item in found] == [f"e{n}" for n in range(20)]
        idle.changes = {}
        async with running(idle):
            await idle.send(*reports(0, 20, project="without"))
            assert partition(await idle.stored(20, project="without")) == partition(found)
    said = capfd.readouterr()
    assert KEY not in said.err + said.out


async def test_a_silent_endpoint_holds_up_neither_other_projects_nor_people(idle: Stack) -> None:
    async with embedding_server() as server, running(with_endpoint(idle, server, embeddings_timeout=60.0)):
        await idle.send(*reports(0, 2))
        cluster_id = (await idle.stored(2))[0].cluster_id
        server.gate.clear()
        before = len(server.requests)
        await idle.send(*reports(2, 4), *reports(0, 2, project="other"))
        await eventually(lambda: len(server.requests) > before, within=30)
        await idle.call("cluster_edit", id=cluster_id, changes={"title": "Ours"}, timeout=10)
        assert (await idle.call("cluster_get", id=cluster_id)).title == "Ours"
        server.gate.set()
        await idle.stored(4, within=60)
        await idle.stored(2, project="other", within=60)


async def test_a_stop_waits_for_no_endpoint_and_the_next_instance_places_the_reports(idle: Stack) -> None:
    async with embedding_server(always(Reply(fault="hang"))) as server:
        await with_endpoint(idle, server, embeddings_timeout=3600.0).start()
        await idle.send(*reports(0, 3))
        await asked(server)
        await idle.stop()  # raises after 15 s
        server.script = always(FINE)
        async with running(idle):
            await idle.stored(3, within=60)
            assert (await embeddings(idle)).given == 3


async def test_reports_of_an_import_without_a_cluster_are_asked_for_and_placed_ones_are_not(idle: Stack) -> None:
    async with embedding_server() as server, running(with_endpoint(idle, server)):
        await idle.send(*reports(0, 4))
        await idle.stored(4)
        lines = (await idle.call("export")).lines
        await idle.call("import", project_id="copy", lines=lines)
        assert len(server.texts) == 4
        loose = {"kind": "feedback", **json.loads(encode(report("l1", "Quite new")))}
        await idle.call("import", project_id="copy", lines=[json.dumps(loose)])
        await idle.stored(5, project="copy")
        assert len(server.texts) == 5
        assert server.texts[4].startswith("Quite new")


@pytest.mark.timeout(600)
async def test_kill_9_while_an_endpoint_is_asked_loses_nothing_doubles_nothing_and_groups_alike(
    idle: Stack, tmp_path: Path
) -> None:
    items = kills.corpus(120)
    async with embedding_server() as server:
        with_endpoint(idle, server)
        useful = await kills.killed_again_and_again(idle, items, tmp_path / "triage.log", kills=3)
        assert useful >= 2
        assert len(server.texts) >= 120 * 0.9  # the same words are asked for once
        await kills.equal(idle, items)
        assert KEY not in (tmp_path / "triage.log").read_text()


async def test_a_process_killed_between_the_answer_and_the_store_asks_and_places_again(
    idle: Stack, tmp_path: Path
) -> None:
    async with embedding_server() as server:
        child = await with_endpoint(idle, server, embeddings_timeout=60.0).process(tmp_path / "triage.log")
        server.gate.clear()
        await idle.send(*reports(0, 8))
        await asked(server)
        await child.kill()
        server.gate.set()
        async with running(idle):
            found = await idle.stored(8, within=60)
            assert all(item.cluster_id for item in found)
            assert (await embeddings(idle)).given == 8
            assert sum(cluster.count for cluster in await idle.clusters()) == 8
