"""The log pipe of one attempt: bytes of a sandbox in, masked and numbered lines on the broker out, up to a cap."""

from collections.abc import Callable, Iterable
from typing import Literal, Protocol

from runner_core.lines import LONGEST, Lines
from runner_core.masking import Masker, Needles
from runner_core.protocols import Line
from schemas.jobs import Phase
from schemas.logs import LogStream

LONGEST_EVENT = 1024 * 1024  # an agent's event is one JSON line and may carry a file
Translate = Callable[[str, Literal["stdout", "stderr"]], list[Line]]


class Publisher(Protocol):
    """What ``messaging.logpipe.LogPublisher`` gives."""

    async def write(
        self, lines: list[str], *, stream: LogStream, phase: Phase, step: str | None = None, partial: bool = False
    ) -> None: ...

    async def flush(self) -> None: ...

    async def close(self, end: bool = True) -> None: ...


class LogCapReached(Exception):
    """The job has printed all that it may."""


class LogPipe:
    """Writing waits while the broker does: a fast program is slowed down, memory stays bounded."""

    def __init__(self, publisher: Publisher, needles: Needles, cap: int) -> None:
        self._publisher, self._needles, self._cap = publisher, needles, cap
        self.written = 0
        self.phase: Phase = "provisioning"

    async def system(self, text: str) -> None:
        """A line of our own; never refused by the cap."""
        await self._publisher.write([self._needles.mask(text)], stream="system", phase=self.phase)

    async def write(self, lines: Iterable[Line]) -> None:
        """Whole lines, masked again: an agent's decoded text may spell what its raw output did not."""
        for line in lines:
            self._count(len(line.text))
            for text, partial in _split(self._needles.mask(line.text)):
                await self._publisher.write(
                    [text], stream=line.stream, phase=self.phase, step=line.step, partial=partial
                )

    async def raw(self, text: str, stream: Literal["stdout", "stderr"], partial: bool) -> None:
        self._count(len(text))
        await self._publisher.write([text], stream=stream, phase=self.phase, partial=partial)

    def channel(self, stream: Literal["stdout", "stderr"], translate: Translate | None = None) -> "Channel":
        return Channel(self, stream, self._needles, translate)

    def mask(self, text: str) -> str:
        """``text`` without the secrets, for what goes elsewhere than into the log."""
        return self._needles.mask(text)

    async def flush(self) -> None:
        await self._publisher.flush()

    async def close(self) -> None:
        await self._publisher.close(end=True)

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
        for text, partial in pieces:
            if self._translate is None:
                await self._pipe.raw(text, self._stream, partial)
            else:
                await self._pipe.write(self._translate(text, self._stream))


def _split(text: str) -> list[tuple[str, bool]]:
    """``text`` as log lines: cut at newlines, and where a line is too long."""
    lines = Lines()
    return [*lines.feed(text.encode("utf-8", "replace")), *lines.flush()] or [("", False)]
