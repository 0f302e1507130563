"""The log pipe: lines of one attempt become numbered chunks in the stream, none lost, none twice, in order.

Chunks are sent without waiting for each answer, at most 64 at once. When an answer is missing, everything unanswered is
sent again in order under the same ids (go-back-N); the stream drops what it has already. ``write`` waits at the bound,
so that a slow broker slows the process that prints instead of filling our memory.
"""

import asyncio
import contextlib
from collections import OrderedDict
from datetime import UTC, datetime
from functools import partial
from typing import Final

from messaging.ports import Bus, BusError, PubAck, TooLarge, Unavailable
from runtime.logs import logger
from schemas import subjects
from schemas.base import encode
from schemas.jobs import Phase
from schemas.logs import LogChunk, LogStream

log = logger("messaging.logpipe")

MAX_LINES: Final = 64
MAX_CHARACTERS: Final = 48 * 1024
MAX_LINE: Final = 64 * 1024
LINGER_SECONDS: Final = 0.02
IN_FLIGHT: Final = 64
ACK_SECONDS: Final = 2.0
_Kind = tuple[LogStream, Phase, str | None]


class LogPublisher:
    """Publishes the log of ``attempt`` of ``job``; ``first`` is the number of the next line. One task writes."""

    def __init__(self, bus: Bus, project: str, job: str, attempt: int, *, first: int = 0) -> None:
        self._bus, self._project, self._job, self._attempt = bus, project, job, attempt
        self._subject = subjects.logs(project, job)
        self._sender = _Sender(bus, self._subject)
        self._lines: list[str] = []
        self._characters = 0
        self._kind: _Kind = ("stdout", "agent", None)
        self._next = first
        self._timer: asyncio.TimerHandle | None = None
        self._lingering: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()

    @property
    def next_line(self) -> int:
        """The number that the next line will get."""
        return self._next + len(self._lines)

    async def write(
        self,
        lines: list[str],
        *,
        stream: LogStream = "stdout",
        phase: Phase = "agent",
        step: str | None = None,
        partial: bool = False,
    ) -> None:
        """Append lines (without their newlines); returns when there is room for more, not when they are stored.

        A line above 64 KiB is split. ``partial``: the last line goes on as the first of the next call. Raises the
        error of an earlier chunk that can never be stored.
        """
        self._sender.raise_failure()
        if (stream, phase, step) != self._kind:
            await self._emit()
            self._kind = (stream, phase, step)
        await self._add(lines)
        if partial:
            await self._emit(partial=True)
        elif self._lines and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._linger)

    async def flush(self) -> None:
        """Everything written so far is stored. Raises BusError when it cannot be."""
        await self._emit()
        await self._sender.settled()

    async def close(self, end: bool = True) -> None:
        """Store everything; with ``end`` the last chunk says that the attempt prints no more."""
        if end:
            await self._emit(end=True)
        await self.flush()
        if self._lingering is not None:
            await self._lingering

    async def _add(self, lines: list[str]) -> None:
        start = 0
        while start < len(lines):  # whole slices: a line at a time would cost more than sending it
            part = lines[start : start + MAX_LINES - len(self._lines)]
            size = sum(map(len, part))
            if self._characters + size <= MAX_CHARACTERS:
                self._lines += part
                self._characters += size
            else:
                for line in part:
                    await self._add_long(line)
            start += len(part)
            if len(self._lines) >= MAX_LINES:
                await self._emit()

    async def _add_long(self, line: str) -> None:
        while len(line) > MAX_LINE:
            await self._append(line[:MAX_LINE])
            await self._emit(partial=True)
            line = line[MAX_LINE:]
        await self._append(line)

    async def _append(self, line: str) -> None:
        if self._lines and self._characters + len(line) > MAX_CHARACTERS:
            await self._emit()
        self._lines.append(line)
        self._characters += len(line)

    def _linger(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        if self._lingering is None or self._lingering.done():
            self._lingering = loop.create_task(self._emit_late())
        elif self._lines:  # the last one still waits for room
            self._timer = loop.call_later(LINGER_SECONDS, self._linger)

    async def _emit_late(self) -> None:
        with contextlib.suppress(BusError):  # the sender keeps it; the next write or flush raises it
            await self._emit()

    async def _emit(self, *, partial: bool = False, end: bool = False) -> None:
        async with self._sending:  # the linger task and the writer both come here; numbers follow the order of sending
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if not self._lines and not end:
                return
            chunk = self._take(partial=partial, end=end)
            await self._sender.send(f"{self._job}.{self._attempt}.{chunk.first}{'.end' * end}", encode(chunk))

    def _take(self, *, partial: bool, end: bool) -> LogChunk:
        stream, phase, step = self._kind
        chunk = LogChunk(
            job_id=self._job,
            project_id=self._project,
            attempt=self._attempt,
            first=self._next,
            lines=self._lines,
            stream=stream,
            phase=phase,
            step=step,
            partial=partial,
            end=end,
            at=datetime.now(UTC),
        )
        self._next += len(self._lines)
        self._lines, self._characters = [], 0
        return chunk


class _Sender:
    """Ordered, pipelined, repeated sending of one writer's messages to one subject."""

    def __init__(self, bus: Bus, subject: str) -> None:
        self._bus, self._subject = bus, subject
        self._unanswered: OrderedDict[str, bytes] = OrderedDict()
        self._round = 0  # grows with each going back; answers of earlier rounds only count when they are good
        self._changed = asyncio.Event()
        self._enough = 0  # wake the waiter when so few are unanswered
        self._going_back: asyncio.Task[None] | None = None
        self._again = False  # a repeat failed too
        self._failure: BusError | None = None

    def raise_failure(self) -> None:
        """Raise the error that stopped the pipe, if any."""
        if self._failure is not None:
            raise self._failure

    async def send(self, msg_id: str, data: bytes) -> None:
        """Send as soon as there is room and nothing is being repeated.

        After the bound was met, sending goes on when half has been answered: one wake-up for many answers.
        """
        if len(self._unanswered) >= IN_FLIGHT or self._busy():
            await self._until(IN_FLIGHT // 2)
        self.raise_failure()
        self._unanswered[msg_id] = data
        await self._post(msg_id, data)

    async def settled(self) -> None:
        """All sent messages are stored."""
        await self._until(0)
        self.raise_failure()

    def _busy(self) -> bool:
        return self._failure is None and self._going_back is not None

    async def _until(self, unanswered: int) -> None:
        self._enough = unanswered
        while len(self._unanswered) > unanswered or self._busy():
            self.raise_failure()
            self._changed.clear()
            await self._changed.wait()
            self._enough = unanswered

    def _answered(self, msg_id: str) -> None:
        self._unanswered.pop(msg_id, None)
        if len(self._unanswered) <= self._enough:
            self._changed.set()

    async def _post(self, msg_id: str, data: bytes) -> None:
        try:
            answer = await self._bus.post(self._subject, data, msg_id=msg_id, timeout=ACK_SECONDS)
        except BusError as error:
            self._failed(error, self._round)
            return
        answer.add_done_callback(partial(self._on_answer, msg_id, self._round))

    def _on_answer(self, msg_id: str, round_: int, answer: "asyncio.Future[PubAck]") -> None:
        error = None if answer.cancelled() else answer.exception()
        if isinstance(error, BusError):
            if msg_id in self._unanswered:
                self._failed(error, round_)
        elif error is None and not answer.cancelled():
            self._answered(msg_id)

    def _failed(self, error: BusError, round_: int) -> None:
        if isinstance(error, TooLarge):
            self._failure = error
            self._changed.set()
        elif round_ != self._round:
            return  # an old answer; what it was about has been sent again since
        elif self._going_back is not None:
            self._again = True
        else:
            log.warning("log.repeating", subject=self._subject, unanswered=len(self._unanswered), reason=str(error))
            self._going_back = asyncio.get_running_loop().create_task(self._go_back())

    async def _go_back(self) -> None:
        """Send everything unanswered again, in order; nothing new is sent meanwhile."""
        try:
            self._again = True
            while self._again and self._failure is None:
                self._again = False
                self._round += 1
                await self._repeat()
        except BusError as error:
            self._failure = error
        finally:
            self._going_back = None
            self._changed.set()

    async def _repeat(self) -> None:
        """The first one alone until it is stored, which also waits for the broker to come back; then the rest."""
        for index, (msg_id, data) in enumerate(list(self._unanswered.items())):
            if index == 0:
                await self._store(msg_id, data)
            elif msg_id in self._unanswered:
                await self._post(msg_id, data)

    async def _store(self, msg_id: str, data: bytes) -> None:
        while msg_id in self._unanswered:
            try:
                await self._bus.publish(self._subject, data, msg_id=msg_id)
            except Unavailable as error:
                log.warning("log.waiting", subject=self._subject, reason=str(error))
                continue
            self._answered(msg_id)
