"""Handing out: a waiting job for every free slot, fair over projects, and a told reason where no slot can come free."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from messaging.ports import BusError
from runtime import logs
from runtime.clock import Clock
from schemas.budgets import Budget, refusal
from schemas.spending import Left
from services.orchestrator.fairness import Waiting
from services.orchestrator.index import Index
from services.orchestrator.model.events import Broke, HandOut, Wait
from services.orchestrator.presence import Presence
from services.orchestrator.records import Records

log = logs.logger("orchestrator.scheduler")
TELL_AFTER: Final = 3.0  # seconds in the queue before people are told why; a runner may be starting right now
TELL_AT_ONCE: Final = 50


class Scheduler:
    """``limits`` is each project's own concurrency where it set one, ``budgets`` what it may spend.

    Slots are counted by this replica's view. Another replica may hand out at the same moment, so a limit can be passed
    by one job per replica until the views agree; the runner's own slots are never passed, its tasks then wait there.
    """

    def __init__(
        self, index: Index, presence: Presence, records: Records, clock: Clock, *, per_project: int, per_runner: int
    ) -> None:
        self._index, self._presence, self._records, self._clock = index, presence, records, clock
        self._per_project, self._per_runner = per_project, per_runner
        self.limits: dict[str, int] = {}
        self.budgets: dict[str, Budget] = {}
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something changed that may let a job go."""
        self._wake.set()

    def free(self, runner: str) -> int:
        """Slots of a runner that nothing holds."""
        at = self._clock.monotonic()
        slots = self._presence.slots(runner, at)
        if self._per_runner:
            slots = min(slots, self._per_runner)
        return slots - self._index.queue.by_runner[runner]

    def left(self, project: str) -> Left | None:
        """What the project may still spend by this replica's view; None without a budget."""
        return self._index.ledger.left(project, self.budgets.get(project, Budget()), self._clock.now())

    @contextmanager
    def reserve(self, key: str, project: str, runner: str) -> Iterator[bool]:
        """A slot for a job about to be created, if one is free and nobody waits who should come first.

        While the block runs the slot counts as taken; afterwards the record itself says what it holds.
        """
        queue = self._index.queue
        room = queue.by_project[project] < self.limits.get(project, self._per_project)
        new = key not in self._index.live  # a request delivered again must not count its own job twice
        granted = new and room and self.free(runner) > 0 and self._next(runner) is None
        if granted:
            queue.hold(key, project, runner)
        try:
            yield granted
        finally:
            if granted and key not in self._index.live:
                queue.leave(key)

    async def run(self) -> None:
        """Hand out whenever woken, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.hand_out_all()
            except BusError as error:  # the reconciler wakes us again
                log.warning("hand_out.delayed", reason=str(error))

    async def hand_out_all(self) -> None:
        """Fill every free slot."""
        for runner in self._index.queue.runners():
            while self.free(runner) > 0 and (item := self._next(runner)) is not None:
                await self._hand_out(item)

    def _next(self, runner: str) -> Waiting | None:
        return self._index.queue.pick(runner, self.limits, self._per_project)

    async def _hand_out(self, item: Waiting) -> None:
        self._index.queue.hold(item.key, item.project, item.runner)
        try:
            broke = refusal(self.left(item.project))
            change = await self._records.change(item.key, Broke(broke) if broke else HandOut())
        except BusError:
            self._index.requeue(item.key)
            raise
        if not change.changed:
            # Another replica was faster and the watch will tell; or this clock is ahead of its back-off.
            self._index.queue.leave(item.key)
            self._index.later(item.key, self._clock.monotonic() + 1.0)

    async def tell_reasons(self) -> None:
        """Tell those who wait for a runner that has no slots at all; they are told once."""
        at = self._clock.monotonic()
        for runner in self._index.queue.runners():
            reason = self._presence.why_none(runner, at)
            # Each costs two records, an event and its reader's work: a long queue must not hold up everything else.
            told = 0
            for key in self._index.queue.waiting_for(runner, 1_000):
                told += await self._tell(key, reason, at)
                if told >= TELL_AT_ONCE:
                    break

    async def _tell(self, key: str, reason: Wait | None, at: float) -> bool:
        known = self._index.live.get(key)
        if known is None or at - known.seen < TELL_AFTER:
            return False
        told = known.view.failure
        if reason is None and told is not None and told.kind == "configuration":
            reason = Wait("all slots are taken", "Wait, or raise the runner's slots or the project's concurrency.")
        if reason is None or (told is not None and told.reason == reason.reason):
            return False
        await self._records.change(key, reason)
        return True
