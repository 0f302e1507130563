"""Wiring: the projects' settings say what to poll, a tick says when, pollers do it."""

import asyncio
import contextlib
from contextlib import aclosing
from typing import Final

import aiohttp

from messaging.connection import connect
from messaging.ports import Bus, BusError, CaughtUp
from runtime import health
from runtime.clock import SystemClock
from runtime.ids import new_id
from runtime.logs import logger
from schemas import subjects
from schemas.collector import PollState
from schemas.projects import Project
from services.collector import model
from services.collector.feeds.base import Feed
from services.collector.feeds.github import GithubFeed
from services.collector.feeds.posthog import PosthogFeed
from services.collector.feeds.reddit import RedditFeed
from services.collector.model import FeedKey, Wanted
from services.collector.poller import Poller
from services.collector.settings import Settings

log = logger("collector")
AT_ONCE: Final = 4
FINISH_SECONDS: Final = 5.0


async def serve(settings: Settings, stop: asyncio.Event, *, bus: Bus | None = None) -> None:
    """Poll until ``stop``; polls under way get five seconds, what they stored by then stays."""
    connection = bus or await connect(settings.nats_url, service="collector", creds=settings.nats_creds)
    health.here().add("nats", connection.ping)
    timeout = aiohttp.ClientTimeout(total=30)
    try:
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
            await _Rounds(settings, connection, session).run(stop)
    finally:
        if bus is None:
            await connection.close()


class _Rounds:
    def __init__(self, settings: Settings, bus: Bus, session: aiohttp.ClientSession) -> None:
        self._settings, self._session = settings, session
        self._projects = bus.state(subjects.KV_PROJECTS, Project)
        self._states = bus.state(subjects.KV_COLLECTOR, PollState)
        self._poller = Poller(
            bus, self._states, SystemClock(), new_id(),
            interval=settings.collector_interval_seconds, claim=settings.collector_claim_seconds,
        )  # fmt: skip
        self._known: dict[str, Project] = {}
        self._running: dict[FeedKey, asyncio.Task[None]] = {}
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def run(self, stop: asyncio.Event) -> None:
        watching = asyncio.create_task(self._watch())
        log.info("collector.ready")
        try:
            while not stop.is_set() and not watching.done():
                self._tick()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._settings.collector_tick_seconds)
            if watching.done():
                watching.result()
        finally:
            watching.cancel()
            await self._finish()

    async def _finish(self) -> None:
        tasks = list(self._running.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=FINISH_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        async with aclosing(self._projects.watch("project")) as changes:
            async for change in changes:
                if isinstance(change, CaughtUp):
                    await self._forget_others()
                elif change.value is None:
                    self._known.pop(change.key, None)
                    await self._forget_others()
                else:
                    self._known[change.key] = change.value

    async def _forget_others(self) -> None:
        """Deleted projects leave no cursor behind, also those deleted while no collector ran."""
        live = {project.id for project in self._known.values()}
        for key in await self._states.keys():
            if key.partition(".")[0] not in live:
                await self._states.delete(key)

    def _tick(self) -> None:
        for project in list(self._known.values()):
            for wanted in model.wanted(project, self._settings.posthog_project_id):
                if wanted.feed not in self._running:
                    task = asyncio.create_task(self._poll(wanted))
                    self._running[wanted.feed] = task
                    task.add_done_callback(lambda _, feed=wanted.feed: self._running.pop(feed, None))  # type: ignore[misc]

    async def _poll(self, wanted: Wanted) -> None:
        async with self._gate:
            try:
                await self._poller.poll(wanted, self._feed(wanted))
            except BusError as error:
                log.warning("poll.waits", feed=wanted.feed.name, reason=str(error))

    def _feed(self, wanted: Wanted) -> Feed:
        settings, name = self._settings, wanted.feed.name
        match wanted.feed.source:
            case "github":
                return GithubFeed(name, token=settings.github_token, api_url=settings.github_api_url)
            case "reddit":
                return RedditFeed(name, self._session, settings)
            case _:
                events = wanted.settings.get("event_types")
                names = [str(event) for event in events] if isinstance(events, list) else []
                return PosthogFeed(name, self._session, settings, names)
