"""Messages that a committed change implies: published in order, then forgotten; a crash repeats the same ids."""

import asyncio
from collections.abc import Callable
from typing import Final

from messaging.ports import Bus, BusError, TooLarge
from runtime.logs import logger
from services.triage.database import Database, DatabaseDown
from services.triage.lease import LeaseLost
from services.triage.store import work

log = logger("triage.outbox")
IDLE_SECONDS: Final = 2.0
IN_FLIGHT: Final = 64


class Outbox:
    """``flush`` after each commit; ``run`` repeats what a flush could not publish."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database, self._bus = database, bus
        self.heard: Callable[[str], None] | None = None  # told the subject of each message once it is published
        self._one = asyncio.Lock()

    async def flush(self) -> None:
        """Publish all that waits. Raises BusError or DatabaseDown; what was not told stays for the next flush."""
        async with self._one:
            while await self._some():
                pass

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop``: flush now and then, for messages that a crash or an outage left behind."""
        while not stop.is_set():
            await self.try_flush()
            try:
                await asyncio.wait_for(stop.wait(), IDLE_SECONDS)
            except TimeoutError:
                continue

    async def try_flush(self) -> None:
        """Flush, and leave trouble of the broker or the database to the next time."""
        try:
            await self.flush()
        except (BusError, DatabaseDown, LeaseLost) as error:
            log.warning("outbox.waits", reason=str(error))

    async def _some(self) -> bool:
        async with self._database.read() as connection:
            waiting = await work.queued(connection)
        if not waiting:
            return False
        # Messages of one subject go one after the other (the last one is the current state), subjects side by side.
        lanes: dict[str, list[tuple[str, bytes]]] = {}
        for _, subject, msg_id, data in waiting:
            lanes.setdefault(subject, []).append((msg_id, data))
        gate = asyncio.Semaphore(IN_FLIGHT)
        await asyncio.gather(*(self._lane(gate, subject, lane) for subject, lane in lanes.items()))
        async with self._database.write() as connection:
            await work.published(connection, waiting[-1][0])
        if self.heard is not None:
            for subject in lanes:
                self.heard(subject)
        return True

    async def _lane(self, gate: asyncio.Semaphore, subject: str, lane: list[tuple[str, bytes]]) -> None:
        async with gate:
            for msg_id, data in lane:
                try:
                    await self._bus.publish(subject, data, msg_id=msg_id)
                except TooLarge as error:
                    log.error("outbox.too_large", subject=subject, bytes=len(data), reason=str(error))
