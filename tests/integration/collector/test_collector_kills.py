"""kill -9 in the middle of a first sync: nothing is lost, nothing is doubled, and it goes on where it stopped."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from messaging.connection import NatsBus
from runtime.processes import Child
from schemas import subjects
from schemas.collector import PollState
from services.collector.model import FeedKey
from tests.integration.collector.test_collector_polls import OLD, issue, post, project, state, stored
from tests.integration.collector.vendors import Vendors, running
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer

ISSUES = int(os.environ.get("SOULCASTER_IMPORT", "2000"))
POSTS = 100
ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def collector(nats: NatsServer, vendors: Vendors, log: Path) -> AsyncIterator[Child]:
    """A collector in a process of its own, killed at the end of the block."""
    env = {
        **os.environ,
        "NATS_URL": nats.url,
        "GITHUB_API_URL": vendors.url,
        "REDDIT_PUBLIC_URL": vendors.url,
        "COLLECTOR_TICK_SECONDS": "0.05",
        "COLLECTOR_CLAIM_SECONDS": "1",
        "PYTHONPATH": str(ROOT),
    }
    with log.open("ab") as said:
        child = await Child.start("collector", [sys.executable, "-m", "services.collector"], env=env,
                                  stderr=said, stdout=said)  # fmt: skip
    try:
        yield child
    finally:
        await child.kill()


async def at_least(bus: NatsBus, count: int) -> int:
    async def check() -> int:
        found = await bus.count(subjects.FEEDBACK)
        assert found >= count
        return found

    return await eventually(check, within=240)


@pytest.mark.timeout(900)
async def test_kill_9_in_the_middle_of_a_first_sync_loses_and_doubles_nothing(
    bus: NatsBus, nats: NatsServer, tmp_path: Path
) -> None:
    async with running() as vendors:
        vendors.issues = [issue(n, OLD + timedelta(seconds=n // 3)) for n in range(ISSUES)]
        vendors.posts = [post(n) for n in range(POSTS)]
        await project(bus, github={"repos": ["acme/shop"]}, reddit={"subreddits": ["acmeshop"]})
        everything, useful = ISSUES + POSTS, 0
        for turn in range(1, 7):
            async with collector(nats, vendors, tmp_path / "collector.log"):
                useful += await at_least(bus, everything * turn // 8) < everything
        assert useful >= 4
        async with collector(nats, vendors, tmp_path / "collector.log"):

            async def over() -> Any:
                found = [await state(bus, *feed) for feed in (("github", "acme/shop"), ("reddit", "acmeshop"))]
                assert all(one is not None and one.polls >= 1 and one.last_error is None for one in found)

            await eventually(over, within=240)
    items = await stored(bus)
    assert {item.github_issue_number for item in items if item.source == "github"} == set(range(ISSUES))
    assert {item.external_id for item in items if item.source == "reddit"} == {f"p{n}" for n in range(POSTS)}
    assert len({item.id for item in items}) == len(items) == everything


async def test_a_deleted_project_leaves_no_cursor_also_when_no_collector_ran(
    bus: NatsBus, nats: NatsServer, tmp_path: Path
) -> None:
    states = bus.state(subjects.KV_COLLECTOR, PollState)
    gone = FeedKey("gone", "github", "acme/old")
    await states.put(
        gone.key, PollState(project_id="gone", source="github", name="acme/old", started_at=datetime.now(UTC))
    )
    async with running() as vendors:
        vendors.posts = [post(1)]
        await project(bus, reddit={"subreddits": ["acmeshop"]})
        async with collector(nats, vendors, tmp_path / "collector.log"):

            async def polled() -> None:
                found = await state(bus, "reddit", "acmeshop")
                assert found is not None
                assert (found.polls, await states.get(gone.key)) == (1, None)

            await eventually(polled, within=60)
            await bus.state(subjects.KV_PROJECTS, PollState).delete("project.shop")

            async def empty() -> None:
                assert await states.keys() == []

            await eventually(empty, within=60)
