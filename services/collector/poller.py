"""One poll of one feed: claim, read, publish, move the cursor; each page is stored before the cursor passes it."""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

import msgspec

from messaging.ports import Bus, BusError, Conflict, State
from runtime.clock import Clock
from runtime.ids import derived
from runtime.logs import logger
from schemas import subjects
from schemas.base import encode
from schemas.collector import PollState
from schemas.feedback import FeedbackItem
from services.collector import model
from services.collector.feeds.base import Feed, Limited, Page, Upstream
from services.collector.model import Wanted
from sources import TABLE, Filtered, Malformed

log = logger("collector")
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


class Poller:
    """``instance`` names this process; two collectors share the feeds by claims."""

    def __init__(
        self, bus: Bus, states: State[PollState], clock: Clock, instance: str, *, interval: float, claim: float
    ) -> None:
        self._bus, self._states, self._clock, self._instance = bus, states, clock, instance
        self._interval, self._claim_seconds = interval, claim

    async def poll(self, wanted: Wanted, feed: Feed) -> None:
        """Poll when due. Whatever goes wrong is in the state's ``last_error``; raises BusError only."""
        state = await self._claim(wanted)
        if state is None:
            return
        keeping = asyncio.create_task(self._keep(wanted))
        try:
            outcome = await self._outcome(wanted, feed, state)
        finally:
            keeping.cancel()
        # The newest state counts: the cursor has moved with every page that was stored.
        latest = await self._states.update(
            wanted.feed.key, lambda now: outcome(now) if now and now.claimed_by == self._instance else None
        )
        told = latest or state
        log.info("poll.ended", project_id=wanted.feed.project_id, source=wanted.feed.source, feed=wanted.feed.name,
                 reports=told.last_reports, error=told.last_error)  # fmt: skip

    async def _outcome(self, wanted: Wanted, feed: Feed, state: PollState) -> Callable[[PollState], PollState]:
        """Read and publish; how the state is to change now."""
        try:
            await self._read(wanted, feed, state)
        except Limited as limited:
            reason, wait = limited.reason, limited.wait
            return lambda now: model.failed(now, reason, self._clock.now(), self._interval, wait)
        except Upstream as trouble:
            said = str(trouble)
            return lambda now: model.failed(now, said, self._clock.now(), self._interval)
        except BusError:
            raise
        except Exception as bug:  # whatever a feed's answer makes us do wrong, a person must see it and others go on
            log.error("poll.failed", feed=wanted.feed.name, exc_info=bug)
            fault = f"a fault of ours: {type(bug).__name__}: {bug}"
            return lambda now: model.failed(now, fault, self._clock.now(), self._interval)
        return lambda now: model.finished(now, self._clock.now(), self._interval)

    async def _claim(self, wanted: Wanted) -> PollState | None:
        now = self._clock.now()
        entry = await self._states.get(wanted.feed.key)
        before = entry.value if entry else None
        if not model.due(before, wanted.requested_at, now):
            return None
        claimed = model.claimed(before, wanted.feed, self._instance, now, self._claim_seconds)
        try:
            if entry is None:
                await self._states.create(wanted.feed.key, claimed)
            else:
                await self._states.replace(wanted.feed.key, claimed, entry.revision)
        except Conflict:  # another collector was quicker
            return None
        return claimed

    async def _keep(self, wanted: Wanted) -> None:
        """Renew the claim while the poll goes on: a slow source must not look like a collector that died."""
        while True:
            await asyncio.sleep(self._claim_seconds / 3)
            with contextlib.suppress(BusError):  # tried again; a claim that ends meanwhile costs a repeated page
                await self._states.update(
                    wanted.feed.key,
                    lambda now: model.renewed(now, self._instance, self._clock.now(), self._claim_seconds),
                )

    async def _read(self, wanted: Wanted, feed: Feed, state: PollState) -> None:
        async with aclosing(feed.pages(state.cursor)) as pages:
            async for page in pages:
                published = await self._publish(wanted, page)
                await self._states.update(wanted.feed.key, self._passed(page, published))

    def _passed(self, page: Page, published: int) -> Callable[[PollState | None], PollState | None]:
        def decide(now: PollState | None) -> PollState | None:
            mine = now is not None and now.claimed_by == self._instance
            return model.read_on(now, page.cursor, published) if now and mine else None

        return decide

    async def _publish(self, wanted: Wanted, page: Page) -> int:
        source, published = wanted.feed.source, 0
        for payload in page.payloads:
            try:
                items = TABLE[source].normalise(
                    payload,
                    project_id=wanted.feed.project_id,
                    received_at=self._clock.now(),
                    settings=wanted.settings,
                )
            except Filtered:
                continue
            except Malformed as bad:
                log.warning("poll.malformed", source=source, feed=wanted.feed.name, field=bad.field, reason=bad.reason)
                continue
            for item in items:
                subject = subjects.feedback(item.project_id, item.source)
                stored = await self._bus.publish(subject, encode(item), msg_id=message_id(item))
                published += not stored.duplicate  # each poll reads a little of the one before
        return published


def message_id(item: FeedbackItem) -> str:
    """The same for the same state of the same report, whenever it is read.

    A report without a believable time of its own is dated by its reading, so that date is no part of its state.
    """
    created = None if item.created_at == item.received_at else item.created_at
    state = msgspec.structs.replace(item, received_at=None, metadata={**item.metadata, "score": None})
    content = encode(msgspec.structs.replace(state, created_at=created or _EPOCH))
    return derived("collected", item.id, content.decode())
