"""What guarantees progress: whatever is due is looked at again, whoever else died.

Deadlines, leases, back-offs, outboxes that were not published, plans that were missed. Every replica runs it; the
compare-and-set lets one of them win.
"""

import asyncio
from typing import Final

from messaging.ports import Bus, BusError
from runtime import logs
from runtime.clock import Clock
from schemas import subjects
from schemas.plans import Plan, PlanOutcome, PlanRecord
from services.orchestrator.index import PLAN_POLL, Due, Index
from services.orchestrator.model.events import LeaseLost, Planned, Sent, Tick
from services.orchestrator.outbox import Outbox
from services.orchestrator.records import Records
from services.orchestrator.scheduler import Scheduler

log = logs.logger("orchestrator.reconciler")
AGAIN: Final = 1.0  # seconds until something is looked at again that did not change


class Reconciler:
    """One look a second (``tick``) at what is due."""

    def __init__(
        self, bus: Bus, index: Index, records: Records, outbox: Outbox, scheduler: Scheduler, clock: Clock, tick: float
    ) -> None:
        self._plans = bus.state(subjects.KV_PLANS, PlanRecord)
        self._index, self._records, self._outbox = index, records, outbox
        self._scheduler, self._clock, self._tick = scheduler, clock, tick

    async def run(self) -> None:
        """Look at what is due, every tick, until cancelled."""
        while True:
            await asyncio.sleep(self._tick)
            try:
                await self.once()
            except BusError as error:  # nothing is lost: it is still due at the next tick
                log.warning("reconcile.delayed", reason=str(error))

    async def once(self) -> None:
        """One round."""
        found = self._index.due(self._clock.monotonic())
        for position, item in enumerate(found):
            try:
                await self._look(item)
            except BusError:
                for left in found[position:]:
                    self._index.again(left, self._clock.monotonic() + AGAIN)
                raise
        await self._scheduler.tell_reasons()
        self._scheduler.wake()

    async def _look(self, item: Due) -> None:
        known = self._index.live.get(item.key)
        if known is None:
            return
        view = known.view
        match item.kind:
            case "deadline":
                await self._records.change(item.key, Tick())
            case "lease":
                if view.lease_until is not None:
                    await self._records.change(item.key, LeaseLost(view.lease_until))
            case "ready":
                self._index.requeue(item.key)
            case "outbox":
                await self._publish(item.key)
            case "plan":
                await self.look_for_plan(item.key)
        # Still the same version: a clock that disagrees, or a conflict. A changed record has noted its own times.
        if item.kind != "ready":
            self._index.again(item, self._clock.monotonic() + (PLAN_POLL if item.kind == "plan" else AGAIN))

    async def _publish(self, key: str) -> None:
        job = await self._records.get(key)
        if job is None or not job.outbox:
            return
        await self._outbox.flush(job)
        ids = frozenset(entry.msg_id for entry in job.outbox)
        await self._records.change(key, Sent(ids))

    async def look_for_plan(self, key: str) -> None:
        """Take over the outcome of a job's plan request, if there is one by now."""
        known = self._index.live.get(key)
        if known is None or known.view.plan_request_id is None:
            return
        request_id = known.view.plan_request_id
        entry = await self._plans.get(subjects.key(known.view.project_id, known.view.cluster_id))
        record = entry.value if entry is not None else None
        if record is None:
            return
        outcome = next((one for one in reversed(record.outcomes) if one.request_id == request_id), None)
        if outcome is not None and outcome.status != "pending":
            await self._records.change(key, _planned(outcome, record.current))


def _planned(outcome: PlanOutcome, current: Plan | None) -> Planned:
    """A conflict means that somebody else's plan came first: that one is the current plan."""
    usable = current if outcome.status in ("done", "conflict") else None
    return Planned(outcome.request_id, usable, outcome.failure, outcome.stale, outcome.note)
