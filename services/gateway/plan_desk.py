"""Plans as the planner keeps them, and waiting for what became of a request: one watch of KV ``plans`` for all."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from messaging.ports import Bus, CaughtUp
from schemas import subjects
from schemas.base import Timestamp
from schemas.plans import Plan, PlanOutcome, PlanRecord, PlanRequest
from schemas.spending import Spend

Book = Callable[[str, str, dict[str, Spend]], None]


class PlanHead(msgspec.Struct, frozen=True, kw_only=True):
    """What the watch keeps of a plan."""

    id: str
    version: int
    title: str = ""
    author: str = ""
    approved_by: str | None = None


class RecordView(msgspec.Struct, frozen=True, kw_only=True):
    """A reader's view of PlanRecord. An entry of an old version has no outcomes and is passed over."""

    project_id: str = ""
    cluster_id: str = ""
    current: PlanHead | None = None
    outcomes: list[PlanOutcome] = []
    spending: dict[str, Spend] = {}
    updated_at: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class PlanChange:
    """A record changed; ``revision`` is the bucket's and serves as an event id."""

    revision: int
    view: RecordView


class PlanDesk:
    """Waiters by request id, and listeners of every change. ``book`` is told what each record says was spent."""

    def __init__(self, bus: Bus, book: Book) -> None:
        self._book = book
        self.records = bus.state(subjects.KV_PLANS, PlanRecord)
        self.versions = bus.state(subjects.KV_PLANS, Plan)
        self._views = bus.state(subjects.KV_PLANS, RecordView)
        self._waiting: dict[str, asyncio.Future[PlanOutcome]] = {}
        self._latest: dict[str, PlanChange] = {}
        self._listeners: set[asyncio.Event] = set()
        self.revision = 0
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Follow the bucket until cancelled."""
        async with aclosing(self._views.watch()) as changes:
            async for entry in changes:
                if isinstance(entry, CaughtUp):
                    self.ready.set()
                    continue
                if entry.value is None or entry.key.count(".") != 1:
                    continue
                change = PlanChange(entry.revision, entry.value)
                self.revision = max(self.revision, entry.revision)
                self._latest[entry.key] = change
                self._book(entry.value.project_id, f"plans:{entry.value.cluster_id}", entry.value.spending)
                for outcome in entry.value.outcomes:
                    self._settle(outcome)
                for event in self._listeners:
                    event.set()

    def _settle(self, outcome: PlanOutcome) -> None:
        waiter = self._waiting.get(outcome.request_id)
        if waiter is not None and outcome.status != "pending" and not waiter.done():
            waiter.set_result(outcome)

    def since(self, project: str, revision: int) -> list[PlanChange]:
        """The latest change of each plan of a project above a revision, oldest first."""
        found = [
            change
            for change in self._latest.values()
            if change.revision > revision and change.view.project_id == project
        ]
        return sorted(found, key=lambda change: change.revision)

    def listen(self) -> asyncio.Event:
        """An event set at each change, until ``unlisten``."""
        event = asyncio.Event()
        self._listeners.add(event)
        return event

    def unlisten(self, event: asyncio.Event) -> None:
        """Stop setting it."""
        self._listeners.discard(event)

    def expect(self, request_id: str) -> "asyncio.Future[PlanOutcome]":
        """The outcome to come; call before publishing the request, ``release`` afterwards."""
        waiter = self._waiting.get(request_id)
        if waiter is None:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting[request_id] = waiter
        return waiter

    async def settled(
        self, request: PlanRequest, waiter: "asyncio.Future[PlanOutcome]", seconds: float
    ) -> PlanOutcome | None:
        """The outcome, None when there is none in time. A repeated request may have been settled long ago."""
        record = await self.record(request.project_id, request.cluster_id)
        for outcome in record.outcomes if record else []:
            if outcome.request_id == request.id and outcome.status != "pending":
                return outcome
        try:
            return await asyncio.wait_for(asyncio.shield(waiter), seconds)
        except TimeoutError:
            return None

    def release(self, request_id: str) -> None:
        """Forget a waiter."""
        self._waiting.pop(request_id, None)

    async def record(self, project: str, cluster: str) -> PlanRecord | None:
        """The record as stored now."""
        entry = await self.records.get(subjects.key(project, cluster))
        return entry.value if entry else None

    async def version(self, project: str, cluster: str, number: int) -> Plan | None:
        """One version, the current or an older one."""
        record = await self.record(project, cluster)
        if record is not None and record.current is not None and record.current.version == number:
            return record.current
        entry = await self.versions.get(subjects.key(project, cluster, f"v{number}"))
        return entry.value if entry else None

    async def all_versions(self, project: str, cluster: str) -> list[Plan]:
        """Every version kept, newest first."""
        record = await self.record(project, cluster)
        found: dict[int, Plan] = {}
        for key in await self.versions.keys(subjects.key(project, cluster)):
            if key.count(".") == 2:
                entry = await self.versions.get(key)
                if entry is not None and entry.value is not None:
                    found[entry.value.version] = entry.value
        if record is not None and record.current is not None:
            found[record.current.version] = record.current
        return [found[number] for number in sorted(found, reverse=True)]
