"""Wiring: which subject goes to which handler, and the tasks that keep jobs moving."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from messaging.connection import connect
from messaging.ports import Bus
from messaging.worker import Worker
from runtime import health, logs
from runtime.clock import SystemClock
from schemas.attempts import AttemptEvent
from services.orchestrator.feeds import Feeds
from services.orchestrator.handlers import REQUESTS, Handlers
from services.orchestrator.index import Index
from services.orchestrator.outbox import Outbox
from services.orchestrator.presence import Presence
from services.orchestrator.reconciler import Reconciler
from services.orchestrator.records import Records
from services.orchestrator.scheduler import Scheduler
from services.orchestrator.settings import Settings

log = logs.logger("orchestrator.service")
CALL_SLOTS: Final = 128
DRAIN_SECONDS: Final = 3.0


class Parts:
    """The parts of one replica, wired."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        clock, rules = SystemClock(), settings.rules()
        self.index = Index(rules.lease)
        self.outbox = Outbox(bus)
        self.presence = Presence([settings.coding_agent_runner, *settings.known_runners])
        self.records = Records(bus, self.index, self.outbox, clock, rules)
        self.scheduler = Scheduler(
            self.index,
            self.presence,
            self.records,
            clock,
            per_project=settings.project_concurrency,
            per_runner=settings.runner_concurrency,
        )
        self.reconciler = Reconciler(
            bus, self.index, self.records, self.outbox, self.scheduler, clock, settings.tick_seconds
        )
        self.feeds = Feeds(bus, self.index, self.outbox, self.presence, self.scheduler, clock)
        self.handlers = Handlers(
            bus,
            self.records,
            self.outbox,
            self.index,
            self.presence,
            self.scheduler,
            self.feeds,
            settings.coding_agent_runner,
        )


async def serve(settings: Settings, stop: asyncio.Event, *, bus: Bus | None = None) -> None:
    """Run one replica until ``stop``; any number may run side by side."""
    async with _connection(settings, bus) as link:
        health.here().add("nats", link.ping)
        parts = Parts(link, settings)
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(work, name=name)
                for name, work in (
                    ("jobs", parts.feeds.jobs()),
                    ("runners", parts.feeds.runners()),
                    ("projects", parts.feeds.projects()),
                    ("outbox", parts.outbox.run()),
                )
            ]
            # Calls need the record alone: running attempts are answered before the first reading is complete.
            calls = await link.serve("attempts.*.*.*", parts.handlers.call, queue="orchestrator", slots=CALL_SLOTS)
            await parts.feeds.caught_up()
            log.info("orchestrator.ready", live_jobs=len(parts.index.live))
            background += [
                group.create_task(parts.feeds.plans(parts.reconciler), name="plans"),
                group.create_task(parts.scheduler.run(), name="scheduler"),
                group.create_task(parts.reconciler.run(), name="reconciler"),
            ]
            await parts.feeds.plans_read.wait()  # a budget that plans have spent must not pay for a fix
            await _work(link, parts, stop)
            await calls.stop()
            await parts.outbox.drain(DRAIN_SECONDS)
            for task in background:
                task.cancel()


async def _work(bus: Bus, parts: Parts, stop: asyncio.Event) -> None:
    """Take messages until ``stop``, then finish those under way."""
    parts.scheduler.wake()
    requests = Worker(bus, "orchestrator", parts.handlers.request, REQUESTS, slots=32)
    attempts = Worker(bus, "orchestrator-attempts", parts.handlers.attempt_event, AttemptEvent, slots=8)
    await asyncio.gather(requests.run(stop), attempts.run(stop))


@asynccontextmanager
async def _connection(settings: Settings, bus: Bus | None) -> AsyncIterator[Bus]:
    if bus is not None:
        yield bus
        return
    own = await connect(settings.nats_url, service="orchestrator", creds=settings.nats_creds)
    try:
        yield own
    finally:
        await own.close()
