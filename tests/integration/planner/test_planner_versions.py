"""A plan as a contract: edits, approval, versions, and what happens under the planner's feet."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import nats as nats_client
import pytest

from messaging.connection import NatsBus
from runtime.processes import Child
from schemas.plans import PlanRequest
from tests.integration.planner.desk import CLUSTER, PROJECT, Desk, commit, git, planner, shop, wish
from tests.integration.planner.test_planner_model import answer
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer
from tests.support.planner_model import Reply, model_server

ROOT = Path(__file__).resolve().parents[3]


def edit(changes: dict[str, Any], version: int | None = None, by: str = "ada") -> PlanRequest:
    return wish(None, cluster=None, action="edit", changes=changes, expected_version=version, requested_by=by)


def approve(version: int | None = None, by: str = "grace") -> PlanRequest:
    return wish(None, cluster=None, action="approve", expected_version=version, requested_by=by)


async def test_an_edit_is_a_new_version_by_its_author_and_clears_the_approval(
    tmp_path: Path, nats: NatsServer, bus: NatsBus
) -> None:
    desk = Desk(bus)
    async with planner(tmp_path, nats.url):
        await desk.ask(wish(shop(tmp_path / "shop")))
        assert (await desk.ask(approve(1))).status == "done"
        approved = await desk.plan()
        assert (approved.version, approved.approved_by) == (1, "grace")
        outcome = await desk.ask(edit({"steps": ["Read the price without commas."]}, 1))
    assert (outcome.status, outcome.version) == ("done", 2)
    assert "steps" in outcome.progress
    plan = await desk.plan()
    assert (plan.author, plan.edited_fields, plan.approved_by) == ("ada", ["steps"], None)
    first = await desk.versions.get(f"{PROJECT}.{CLUSTER}.v1")
    assert first is not None
    assert first.value == approved, "the version that was approved is kept as it was approved"


async def test_an_edit_of_a_version_that_is_gone_is_a_conflict(tmp_path: Path, nats: NatsServer, bus: NatsBus) -> None:
    desk = Desk(bus)
    async with planner(tmp_path, nats.url):
        await desk.ask(wish(shop(tmp_path / "shop")))
        await desk.ask(edit({"title": "Commas"}, 1))
        late = await desk.ask(edit({"title": "Separators"}, 1))
        stale = await desk.ask(approve(1))
    assert [late.status, stale.status] == ["conflict", "conflict"]
    assert late.failure is not None
    assert "version 2" in late.failure.reason
    assert (await desk.plan()).title == "Commas"


async def test_of_many_edits_of_one_version_exactly_one_is_written(
    tmp_path: Path, nats: NatsServer, bus: NatsBus
) -> None:
    desk = Desk(bus)
    edits = [edit({"title": f"Title {n}"}, 1) for n in range(12)]
    async with planner(tmp_path, nats.url):
        await desk.ask(wish(shop(tmp_path / "shop")))
        for request in edits:
            await desk.send(request)
        outcomes = [await desk.settled(request) for request in edits]
    assert sorted(o.status for o in outcomes) == ["conflict"] * 11 + ["done"]
    assert (await desk.plan()).version == 2


async def test_a_field_that_does_not_fit_is_refused_by_name(tmp_path: Path, nats: NatsServer, bus: NatsBus) -> None:
    desk = Desk(bus)
    async with planner(tmp_path, nats.url):
        await desk.ask(wish(shop(tmp_path / "shop")))
        outcomes = {
            field: await desk.ask(edit({field: value}, 1))
            for field, value in {
                "steps": "one text",
                "base_commit": "0" * 40,
                "candidate_files": [{"path": "../../etc/passwd"}],
                "confidence": 1,
            }.items()
        }
    for field, outcome in outcomes.items():
        assert outcome.status == "failed"
        assert outcome.failure is not None
        assert field in outcome.failure.reason
    assert (await desk.plan()).version == 1


async def test_regeneration_keeps_edits_and_shows_what_the_planner_now_sees(
    tmp_path: Path, nats: NatsServer, bus: NatsBus
) -> None:
    repo, desk = shop(tmp_path / "shop"), Desk(bus)
    async with planner(tmp_path, nats.url):
        await desk.ask(wish(repo))
        await desk.ask(edit({"steps": ["Mine."], "test_command": "make test"}, 1))
        await desk.ask(wish(repo))
        same = await desk.plan()
        (repo / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n')
        commit(repo, {"tox.ini": "[tox]\n[testenv]\ncommands = python -m unittest\n"}, "Test with tox")
        await desk.ask(wish(repo))
        changed = await desk.plan()
    assert (same.version, same.author, same.steps, same.conflicts) == (3, "planner", ["Mine."], [])
    assert (changed.version, changed.steps, changed.test_command) == (4, ["Mine."], "make test")
    assert any(c.startswith("test_command: ") and "python3 -m unittest" in c for c in changed.conflicts), (
        changed.conflicts
    )


async def test_approval_says_which_files_changed_since_the_plan_was_made(
    tmp_path: Path, nats: NatsServer, bus: NatsBus
) -> None:
    repo, desk = shop(tmp_path / "shop"), Desk(bus)
    async with planner(tmp_path, nats.url):
        await desk.ask(wish(repo))
        commit(repo, {"README.md": "A shop.\n"}, "Say what it is")
        await desk.ask(approve(1))
        fresh = await desk.plan()
        commit(repo, {"shop/pricing.py": "def parse_price(text):\n    return 0\n"}, "Prices are free")
        await desk.ask(approve(1))
        stale = await desk.plan()
        git(repo, "commit", "-q", "--amend", "-m", "Rewritten")
        git(repo, "checkout", "-q", "--orphan", "fresh")
        git(repo, "commit", "-q", "-m", "A new beginning")
        git(repo, "branch", "-q", "-M", "fresh", "main")
        await desk.ask(approve(1))
        gone = await desk.plan()
    assert not [n for n in fresh.notes if n.startswith("Stale")]
    assert [n for n in stale.notes if n.startswith("Stale: ") and "shop/pricing.py" in n], stale.notes
    assert [n for n in gone.notes if n.startswith("Stale: ") and "no longer part of main" in n], gone.notes
    assert stale.version == gone.version == 1


async def start_planner(folder: Path, url: str, **environ: str) -> Child:
    """The planner as its own process."""
    given = {"PATH": os.environ["PATH"], "NATS_URL": url, "DATA_DIR": str(folder / "data"), "LOG_FORMAT": "json"}
    with (folder / "planner.log").open("ab") as log:
        return await Child.start(
            "planner", [sys.executable, "-m", "services.planner"], env=given | environ, cwd=ROOT, stderr=log
        )


async def redeliver_after(url: str, seconds: float) -> None:
    """Shorten how long the broker waits for a planner that died."""
    connection = await nats_client.connect(url)
    jetstream = connection.jetstream()
    config = (await jetstream.consumer_info("REQUESTS", "planner")).config
    config.ack_wait = seconds
    await jetstream.add_consumer("REQUESTS", config)
    await connection.close()


@pytest.mark.parametrize("moment", ["reading the repository", "looking for the code", "asking scripted"])
async def test_a_request_whose_planner_is_killed_is_finished_once_after_a_restart(
    tmp_path: Path, nats: NatsServer, bus: NatsBus, moment: str
) -> None:
    desk, request = Desk(bus), wish(shop(tmp_path / "shop"))
    async with model_server(lambda body, n: Reply(text=answer())) as server:
        server.gate.clear()
        model = {"OPENAI_MODEL": "scripted", "OPENAI_BASE_URL": server.url}
        first = await start_planner(tmp_path, nats.url, **model)
        try:
            await desk.send(request)

            async def reached() -> None:
                assert (await desk.outcome(request)).progress.startswith(moment)

            await eventually(reached, within=30)
        finally:
            await first.kill()
        assert (await desk.record()).current is None, "no half plan is left"
        server.gate.set()
        await redeliver_after(nats.url, 4.0)
        second = await start_planner(tmp_path, nats.url, **model)
        try:
            outcome = await desk.settled(request, within=60)
            await eventually(lambda: _acknowledged(bus), within=20)
        finally:
            assert await second.stop() == 0
    assert (outcome.status, outcome.version) == ("done", 1)
    record = await desk.record()
    assert record.current is not None
    assert record.current.version == 1
    assert len(record.outcomes) == 1
    assert await desk.versions.keys(f"{PROJECT}.{CLUSTER}") == [f"{PROJECT}.{CLUSTER}"]


async def _acknowledged(bus: NatsBus) -> None:
    assert await bus.count("REQUESTS", "requests.plan.>") == 0


async def test_a_planner_stops_in_order_and_another_one_finishes_its_request(
    tmp_path: Path, nats: NatsServer, bus: NatsBus
) -> None:
    desk, request = Desk(bus), wish(shop(tmp_path / "shop"))
    async with model_server(lambda body, n: Reply(text=answer())) as server:
        server.gate.clear()
        model = {"OPENAI_MODEL": "scripted", "OPENAI_BASE_URL": server.url}
        first = await start_planner(tmp_path, nats.url, **model)
        await desk.send(request)

        async def asking() -> None:
            assert server.requests

        await eventually(asking, within=30)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        assert await first.stop(grace=10) == 0
        assert loop.time() - begun < 9
        server.gate.set()
        second = await start_planner(tmp_path, nats.url, **model)
        outcome = await desk.settled(request, within=40)
        assert await second.stop() == 0
    assert (outcome.status, outcome.version) == ("done", 1)
