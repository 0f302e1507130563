"""Pages of a stream read once for all viewers that ask for the same: those who return after a restart read together."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from messaging.merging import merge_pages
from messaging.ports import Bus, BusError, NoResponders, Stored, Unavailable
from runtime.logs import logger

log = logger("messaging.pages")

PAGE: Final = 500
KEPT: Final = 16
AT_ONCE: Final = 4
PAUSE_SECONDS: Final = 0.5
Rendered = list[tuple[Stored, bytes]]
Answer = tuple[Rendered, int]


class Pages:
    """Shared, rendered pages of some subjects. A failed read is repeated until the broker answers."""

    def __init__(self, bus: Bus, stream: str, subjects: list[str], render: Callable[[Stored], bytes]) -> None:
        self._bus, self._stream, self._subjects, self._render = bus, stream, subjects, render
        self._read: OrderedDict[int, asyncio.Task[Answer]] = OrderedDict()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def get(self, after: int, stored_to: int) -> Answer:
        """Messages after ``after``, and up to where an empty page is known to be complete.

        The caller knows that the stream held everything up to ``stored_to`` before it asked.
        """
        task = self._read.get(after)
        if task is None:
            task = self._read[after] = asyncio.create_task(self._fetch(after, stored_to))
            while len(self._read) > KEPT:
                self._read.popitem(last=False)  # whoever awaits it keeps it
        await asyncio.wait(
            {task}
        )  # not awaited itself: a viewer who leaves must not end it, nor its end look like theirs
        if task.cancelled():
            raise BusError("the hub was closed")
        rendered, complete_to = task.result()
        if not rendered and self._read.get(after) is task:
            del self._read[after]  # what was empty may not stay so
        return rendered, complete_to

    async def close(self) -> None:
        """End reads under way."""
        tasks = list(self._read.values())
        self._read.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, after: int, stored_to: int) -> Answer:
        async with self._slots:
            while True:
                try:
                    pages = [
                        await self._bus.page(self._stream, subject, after=after, limit=PAGE)
                        for subject in self._subjects
                    ]
                except (NoResponders, Unavailable) as error:
                    log.warning("page.waiting", stream=self._stream, reason=str(error))
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                except BusError:
                    self._read.pop(after, None)
                    raise
                return [(stored, self._render(stored)) for stored in merge_pages(pages, PAGE)], stored_to
