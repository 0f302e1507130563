"""The log pipe of one attempt: bytes of a sandbox in, masked and numbered lines on the broker out, up to a cap."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

import msgspec

from runner_core.lines import LONGEST, Lines
from runner_core.masking import Masker, Needles
from runner_core.protocols import Line
from schemas.jobs import Phase
from schemas.logs import LogStream

LONGEST_EVENT = 1024 * 1024  # an agent's event is one JSON line and may carry a file
WAITING = 32  # batches between a sandbox's pipe and the broker; then the sandbox waits
Translate = Callable[[str, Literal["stdout", "stderr"]], list[Line]]


class Publisher(Protocol):
    """What ``messaging.logpipe.LogPublisher`` gives."""

    async def write(
        self, lines: list[str], *, stream: LogStream, phase: Phase, step: str | None = None, partial: bool = False
    ) -> None: ...

    async def flush(self) -> None: ...

    async def close(self, end: bool = True) -> None: ...


class Keeper(Protocol):
    """Keeps a copy of what was published (``runner_core.log_archive``)."""

    def add(self, batch: "Batch") -> None: ...


class LogCapReached(Exception):
    """The job has printed all that it may."""


class Batch(msgspec.Struct, frozen=True):
    """Consecutive lines of one kind; ``partial``: the last one goes on in the next batch."""

    lines: list[str]
    stream: LogStream
    phase: Phase
    step: str | None = None
    partial: bool = False


class LogPipe:
    """Writing waits while the broker does: a fast program is slowed down, memory stays bounded.

    One task of its own hands batches on. A writer that is cancelled therefore never leaves a number without its line.
    """

    def __init__(self, publisher: Publisher, needles: Needles, cap: int, keeper: Keeper | None = None) -> None:
        self._publisher, self._needles, self._cap, self._keeper = publisher, needles, cap, keeper
        self._queue: asyncio.Queue[Batch] = asyncio.Queue(WAITING)
        self._failure: Exception | None = None
        self._pump = asyncio.create_task(self._hand_on())
        self.written = 0
        self.phase: Phase = "provisioning"

    async def system(self, text: str) -> None:
        """Lines of our own; never refused by the cap."""
        await self._put(Batch(_clean(self.mask(text)).splitlines() or [""], "system", self.phase))

    async def write(self, lines: Iterable[Line]) -> None:
        """Whole lines, masked again: an agent's decoded text may spell what its raw output did not."""
        held: list[str] = []
        kind: tuple[LogStream, str | None] = ("agent", None)
        for line in lines:
            if held and (line.stream, line.step) != kind:
                await self._put(Batch(held, kind[0], self.phase, kind[1]))
                held = []
            kind = (line.stream, line.step)
            for text, partial in _split(_clean(self.mask(line.text))):
                held.append(text)
                if partial:
                    await self._put(Batch(held, kind[0], self.phase, kind[1], partial=True))
                    held = []
            self._count(len(line.text))
        if held:
            await self._put(Batch(held, kind[0], self.phase, kind[1]))

    async def raw(self, pieces: list[tuple[str, bool]], stream: Literal["stdout", "stderr"]) -> None:
        """Lines as ``Lines`` cuts them."""
        held: list[str] = []
        for text, partial in pieces:
            held.append(text)
            if partial:
                await self._put(Batch(held, stream, self.phase, partial=True))
                held = []
            self._count(len(text))
        if held:
            await self._put(Batch(held, stream, self.phase))

    def channel(self, stream: Literal["stdout", "stderr"], translate: Translate | None = None) -> "Channel":
        return Channel(self, stream, self._needles, translate)

    def mask(self, text: str) -> str:
        """``text`` without the secrets, for what goes elsewhere than into the log."""
        return self._needles.mask(text)

    async def flush(self) -> None:
        """Everything written so far is stored."""
        await self._queue.join()
        self._raise_failure()
        await self._publisher.flush()

    async def close(self) -> None:
        """Store all, say that nothing more comes, and end."""
        await self.flush()
        await self.abandon()
        await self._publisher.close(end=True)

    async def abandon(self) -> None:
        """Hand on nothing more. Idempotent."""
        self._pump.cancel()
        await asyncio.wait({self._pump})

    async def _put(self, batch: Batch) -> None:
        self._raise_failure()
        await self._queue.put(batch)

    async def _hand_on(self) -> None:
        while True:
            batch = await self._queue.get()
            try:
                if self._failure is None:
                    await self._publish(batch)
            except Exception as error:  # whatever it is: the writer hears of it instead of waiting for room for ever
                self._failure = error
            self._queue.task_done()

    async def _publish(self, batch: Batch) -> None:
        await self._publisher.write(
            batch.lines, stream=batch.stream, phase=batch.phase, step=batch.step, partial=batch.partial
        )
        if self._keeper is not None:
            self._keeper.add(batch)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _count(self, size: int) -> None:
        self.written += size + 1
        if self.written > self._cap:
            raise LogCapReached


class Channel:
    """One stream of one command. ``translate`` turns an agent's lines into log lines."""

    def __init__(
        self, pipe: LogPipe, stream: Literal["stdout", "stderr"], needles: Needles, translate: Translate | None
    ) -> None:
        self._pipe, self._stream, self._translate = pipe, stream, translate
        self._masker = Masker(needles)
        self._lines = Lines(LONGEST_EVENT if translate else LONGEST)

    async def feed(self, data: bytes) -> None:
        await self._emit(self._lines.feed(self._masker.feed(data)))

    async def close(self) -> None:
        await self._emit([*self._lines.feed(self._masker.flush()), *self._lines.flush()])

    async def _emit(self, pieces: list[tuple[str, bool]]) -> None:
        if self._translate is None:
            await self._pipe.raw(pieces, self._stream)
            return
        translate = self._translate
        await self._pipe.write(line for text, _ in pieces for line in translate(text, self._stream))


def _clean(text: str) -> str:
    """Without lone surrogates, which JSON may spell and UTF-8 cannot hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _split(text: str) -> list[tuple[str, bool]]:
    """``text`` as log lines: cut at newlines, and where a line is too long."""
    if "\n" not in text and len(text) * 4 <= LONGEST:
        return [(text, False)]
    lines = Lines()
    return [*lines.feed(text.encode()), *lines.flush()] or [("", False)]
