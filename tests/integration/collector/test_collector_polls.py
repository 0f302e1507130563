"""The collector against loopback vendors and a real broker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest_asyncio

from messaging.connection import NatsBus
from messaging.ports import CaughtUp
from schemas import subjects
from schemas.base import decode
from schemas.collector import PollState
from schemas.feedback import FeedbackItem
from schemas.projects import Project
from services.collector.model import FeedKey
from services.collector.service import serve
from services.collector.settings import Settings
from tests.integration.collector.vendors import Vendors, running
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer

OLD = datetime(2026, 11, 1, tzinfo=UTC)


@pytest_asyncio.fixture
async def vendors() -> AsyncIterator[Vendors]:
    async with running() as started:
        yield started


def settings(nats: NatsServer, vendors: Vendors, **more: Any) -> Settings:
    base = vendors.url
    values = {"nats_url": nats.url, "github_api_url": base, "reddit_public_url": base, "posthog_url": base}
    values |= {"reddit_auth_url": base, "reddit_api_url": base, "posthog_api_key": "phx_key"}
    return Settings(**{**values, "collector_interval_seconds": 3600, "collector_tick_seconds": 0.05, **more})


@asynccontextmanager
async def collecting(chosen: Settings) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(serve(chosen, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 15)


async def project(bus: NatsBus, **sources: Any) -> None:
    made = Project(id="shop", name="Shop", user_id="u", created_at=OLD, settings=sources)
    await bus.state(subjects.KV_PROJECTS, Project).put("project.shop", made)


async def state(bus: NatsBus, source: str, name: str) -> PollState | None:
    entry = await bus.state(subjects.KV_COLLECTOR, PollState).get(FeedKey("shop", source, name).key)
    return entry.value if entry else None


async def polled(bus: NatsBus, source: str, name: str, polls: int) -> PollState:
    async def check() -> PollState:
        found = await state(bus, source, name)
        assert found is not None
        assert found.polls == polls
        return found

    return await eventually(check, within=20)


async def stored(bus: NatsBus) -> list[FeedbackItem]:
    follower = bus.follow(subjects.FEEDBACK, ["feedback.>"])
    async with contextlib.aclosing(follower) as messages:
        found = []
        async for message in messages:
            if isinstance(message, CaughtUp):
                break
            found.append(decode(message.data, FeedbackItem))
    return found


def issue(number: int, at: datetime, state_: str = "open", **more: Any) -> dict[str, Any]:
    values = {"id": 1000 + number, "number": number, "title": f"Issue {number}", "body": "text", "state": state_}
    moments = {"created_at": OLD.isoformat(), "updated_at": at.isoformat()}
    link = f"https://github.com/acme/shop/issues/{number}"
    return {**values, **moments, "html_url": link, "user": {"login": "x"}, "labels": [], "comments": 0, **more}


def asked(reddit: Any = None, github: Any = None) -> str:
    return datetime.now(UTC).isoformat()


async def test_issues_come_in_once_then_only_what_changed_closed_and_reopened_too(
    bus: NatsBus, nats: NatsServer, vendors: Vendors
) -> None:
    vendors.issues = [issue(n, OLD + timedelta(minutes=n // 150)) for n in range(230)]  # many share their time
    vendors.issues += [issue(900, OLD, "closed"), issue(901, OLD, pull_request={"url": "x"})]
    await project(bus, github={"repos": ["https://github.com/acme/shop", "not a repo"]})
    async with collecting(settings(nats, vendors)):
        first = await polled(bus, "github", "acme/shop", 1)
        assert first.last_error is None
        items = await stored(bus)
        assert {item.github_issue_number for item in items} == set(range(230))
        now = datetime.now(UTC)
        vendors.issues[3] = issue(3, now, "closed")
        vendors.issues[900 - 670] = issue(900, now, "open")
        await project(bus, github={"repos": ["acme/shop"], "poll_requested_at": asked()})
        await polled(bus, "github", "acme/shop", 2)
    fresh = (await stored(bus))[len(items) :]
    changes = {(item.github_issue_number, item.status, item.event) for item in fresh}
    assert {(3, "closed", "updated"), (900, "open", "updated")} <= changes
    assert len({item.id for item in [*items, *fresh]}) == 231


async def test_a_poll_that_breaks_half_way_goes_on_where_it_stopped_and_says_why(
    bus: NatsBus, nats: NatsServer, vendors: Vendors
) -> None:
    vendors.issues = [issue(n, OLD + timedelta(minutes=n)) for n in range(350)]
    vendors.fail_after = 2
    await project(bus, github={"repos": ["acme/shop"]})
    async with collecting(settings(nats, vendors)):
        broken = await polled(bus, "github", "acme/shop", 1)
        assert broken.last_error is not None
        assert "502" in broken.last_error
        assert broken.cursor is not None
        assert 0 < broken.reports < 350
    vendors.broken, vendors.fail_after = None, -1
    await project(bus, github={"repos": ["acme/shop"], "poll_requested_at": asked()})
    async with collecting(settings(nats, vendors)):
        done = await polled(bus, "github", "acme/shop", 2)
        assert done.last_error is None
    assert {item.github_issue_number for item in await stored(bus)} == set(range(350))
    assert not any("page=2" in url and "since" not in url for url in vendors.asked)


async def test_a_rate_limit_is_waited_for_even_when_a_person_asks_again(
    bus: NatsBus, nats: NatsServer, vendors: Vendors
) -> None:
    vendors.broken = (403, {"Retry-After": "1800", "X-RateLimit-Remaining": "0"})
    await project(bus, github={"repos": ["acme/shop"]}, reddit={"subreddits": ["/r/AcmeShop"]})
    async with collecting(settings(nats, vendors)):
        limited = await polled(bus, "github", "acme/shop", 1)
        refused = await polled(bus, "reddit", "acmeshop", 1)
        assert limited.limited_until is not None
        assert limited.limited_until > datetime.now(UTC) + timedelta(minutes=25)
        assert "403" in (refused.last_error or "")
        count = len(vendors.asked)
        now = asked()
        vendors.broken = None
        await project(bus, github={"repos": ["acme/shop"], "poll_requested_at": now},
                      reddit={"subreddits": ["acmeshop"], "poll_requested_at": now})  # fmt: skip
        await polled(bus, "reddit", "acmeshop", 2)
    assert not any("issues" in url for url in vendors.asked[count:])


def post(number: int) -> dict[str, Any]:
    data = {"id": f"p{number}", "title": f"Post {number}", "selftext": "words", "subreddit": "acmeshop"}
    return {"kind": "t3", "data": {**data, "created_utc": 1_795_000_000.0 + number * 60, "permalink": f"/r/x/{number}"}}


async def test_reddit_is_read_back_to_the_cursor_with_a_token_when_there_is_one(
    bus: NatsBus, nats: NatsServer, vendors: Vendors
) -> None:
    vendors.posts = [post(n) for n in range(50)]
    await project(bus, reddit={"subreddits": ["acmeshop"]})
    async with collecting(settings(nats, vendors, reddit_client_id="id", reddit_client_secret="s")):
        await polled(bus, "reddit", "acmeshop", 1)
        vendors.posts += [post(n) for n in range(50, 300)]
        await project(bus, reddit={"subreddits": ["acmeshop"], "poll_requested_at": asked()})
        await polled(bus, "reddit", "acmeshop", 2)
    items = await stored(bus)
    assert len({item.id for item in items}) == 300
    assert [item.external_id for item in items[:50]] == [f"p{n}" for n in range(50)]
    assert any("access_token" in url for url in vendors.asked)
    assert not any(".json" in url for url in vendors.asked)


def posthog_event(number: int, name: str = "$exception") -> dict[str, Any]:
    stamp = (OLD + timedelta(minutes=number)).isoformat()
    values = {"$exception_message": f"Failure {number}", "$exception_type": "TypeError"}
    return {"event": name, "uuid": f"u{number}{name}", "distinct_id": "d", "timestamp": stamp, "properties": values}


async def test_posthog_events_of_the_chosen_kinds_come_in_and_others_do_not(
    bus: NatsBus, nats: NatsServer, vendors: Vendors
) -> None:
    vendors.events = [posthog_event(n) for n in range(60)] + [posthog_event(5, "$pageview")]
    await project(bus, posthog={"poll": True})
    async with collecting(settings(nats, vendors, posthog_project_id="7")):
        await polled(bus, "posthog", "7", 1)
        vendors.events += [posthog_event(n) for n in range(60, 320)]
        await project(bus, posthog={"poll": True, "poll_requested_at": asked()})
        told = await polled(bus, "posthog", "7", 2)
    items = await stored(bus)
    assert (len({item.id for item in items}), told.reports) == (320, 320)  # what is read twice counts once
    assert {item.exception_type for item in items} == {"TypeError"}


async def test_an_event_that_posthog_learned_of_late_and_a_device_ahead_of_time_lose_nothing(
    bus: NatsBus, nats: NatsServer, vendors: Vendors
) -> None:
    def at(number: int, moment: datetime) -> dict[str, Any]:
        return {**posthog_event(number), "timestamp": moment.isoformat()}

    now = datetime.now(UTC).replace(microsecond=0)
    vendors.events = [at(1, now - timedelta(minutes=9)), at(2, now + timedelta(days=900))]
    await project(bus, posthog={"poll": True})
    async with collecting(settings(nats, vendors, posthog_project_id="7")):
        first = await polled(bus, "posthog", "7", 1)
        assert first.cursor is not None
        assert datetime.fromisoformat(first.cursor) <= datetime.now(UTC)
        vendors.events += [at(3, now - timedelta(minutes=5)), at(4, now + timedelta(seconds=1))]
        await project(bus, posthog={"poll": True, "poll_requested_at": asked()})
        await polled(bus, "posthog", "7", 2)
    assert sorted(item.external_id for item in await stored(bus)) == [f"u{n}$exception" for n in (1, 2, 3, 4)]


async def test_two_collectors_share_the_feeds_and_a_disabled_source_is_left_alone(
    bus: NatsBus, nats: NatsServer, vendors: Vendors
) -> None:
    vendors.posts = [post(1)]
    await project(bus, reddit={"subreddits": ["acmeshop", "other"]}, github={"repos": ["acme/shop"], "enabled": False})
    async with collecting(settings(nats, vendors)), collecting(settings(nats, vendors)):
        await polled(bus, "reddit", "acmeshop", 1)
        await polled(bus, "reddit", "other", 1)
    assert len([url for url in vendors.asked if "/r/acmeshop/" in url]) == 1
    assert not any("issues" in url for url in vendors.asked)
    assert msgspec.json.encode(await state(bus, "github", "acme/shop")) == b"null"
