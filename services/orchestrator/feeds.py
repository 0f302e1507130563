"""The buckets that this replica watches, each into its place in memory."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import TypeVar

from messaging.ports import Bus, BusError, CaughtUp, Entry, State
from runtime import logs
from runtime.clock import Clock
from schemas import subjects
from schemas.runners import RunnerInfo
from services.orchestrator.index import Index
from services.orchestrator.outbox import Outbox
from services.orchestrator.presence import Presence
from services.orchestrator.reconciler import Reconciler
from services.orchestrator.scheduler import Scheduler
from services.orchestrator.views import JobView, PlanNews, ProjectChoice

T = TypeVar("T")
log = logs.logger("orchestrator.feeds")


class Feeds:
    """``caught_up`` is set when everything stored at the start has been read."""

    def __init__(
        self, bus: Bus, index: Index, outbox: Outbox, presence: Presence, scheduler: Scheduler, clock: Clock
    ) -> None:
        self._bus, self._index, self._outbox, self._presence = bus, index, outbox, presence
        self._scheduler, self._clock = scheduler, clock
        self.project_runner: dict[str, str] = {}
        self.plans_read = asyncio.Event()
        self._waits = {name: asyncio.Event() for name in ("jobs", "runners", "projects")}

    async def caught_up(self) -> None:
        """Returns when the first reading of all buckets is complete."""
        for event in self._waits.values():
            await event.wait()
        self._index.starting = False

    async def jobs(self) -> None:
        """Follow every record's narrow view."""
        await _follow(self._bus.state(subjects.KV_JOBS, JobView), "", self._job, self._waits["jobs"])

    async def runners(self) -> None:
        """Follow who is alive."""
        await _follow(self._bus.state(subjects.KV_RUNNERS, RunnerInfo), "", self._runner, self._waits["runners"])

    async def projects(self) -> None:
        """Follow each project's choice of runner and its limits."""
        state = self._bus.state(subjects.KV_PROJECTS, ProjectChoice)
        await _follow(state, "project", self._project, self._waits["projects"])

    async def plans(self, reconciler: Reconciler) -> None:
        """Follow outcomes of plan requests, and what plans cost; an outcome missed is found by the reconciler."""
        async with aclosing(self._bus.state(subjects.KV_PLANS, PlanNews).watch()) as changes:
            async for item in changes:
                if isinstance(item, CaughtUp):
                    self.plans_read.set()
                elif item.value is not None:
                    await self._news(item.value, reconciler)

    async def _news(self, news: PlanNews, reconciler: Reconciler) -> None:
        self._index.ledger.put(news.project_id, f"plans:{news.cluster_id}", news.spending)
        for outcome in news.outcomes:
            key = self._index.planning(outcome.request_id)
            if key is not None and outcome.status != "pending":
                await _calmly(reconciler, key)

    def _job(self, entry: Entry[JobView]) -> None:
        self._index.put(entry.key, entry.value, entry.revision, self._clock.now(), self._clock.monotonic())
        if entry.value is not None and not entry.value.outbox:
            self._outbox.drop(entry.value.id)
        self._scheduler.wake()

    def _runner(self, entry: Entry[RunnerInfo]) -> None:
        self._presence.put(entry.key, entry.value, self._clock.monotonic())
        self._scheduler.wake()

    def _project(self, entry: Entry[ProjectChoice]) -> None:
        project = entry.key.partition(".")[2]
        self._scheduler.limits.pop(project, None)
        self.project_runner.pop(project, None)
        self._scheduler.budgets.pop(project, None)
        if entry.value is not None:
            self._scheduler.budgets[project] = entry.value.budget
        if entry.value is not None and entry.value.concurrency is not None:
            self._scheduler.limits[project] = entry.value.concurrency
        if entry.value is not None and entry.value.runner is not None:
            self.project_runner[project] = entry.value.runner


async def _follow(state: State[T], prefix: str, take: Callable[[Entry[T]], None], caught_up: asyncio.Event) -> None:
    async with aclosing(state.watch(prefix)) as changes:
        async for item in changes:
            if isinstance(item, CaughtUp):
                caught_up.set()
            else:
                take(item)


async def _calmly(reconciler: Reconciler, key: str) -> None:
    try:
        await reconciler.look_for_plan(key)
    except BusError as error:
        log.warning("plan.delayed", key=key, reason=str(error))
