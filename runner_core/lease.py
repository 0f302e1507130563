"""The right to work on an attempt: claimed, kept by heartbeats, given up by ``finish``.

A heartbeat goes out every five seconds. When none was confirmed for fifteen, counted from the moment the last good one
was *sent*, the orchestrator may already have handed the job to another runner: the attempt is lost without being told.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from messaging.ports import Bus, BusError
from runner_core.outcomes import Outcome, Stopped
from runtime.logs import logger
from schemas import subjects
from schemas.attempts import AttemptCall, AttemptEvent, AttemptReply, RunnerTask
from schemas.base import decode, encode
from schemas.jobs import Phase, Report, Usage, Waiting
from schemas.spending import Left

log = logger("runner.lease")


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. ``patience``: without a confirmed heartbeat for so long the attempt counts as lost."""

    beat: float = 5.0
    patience: float = 15.0
    answer: float = 3.0
    pause: float = 0.5
    finish: float = 60.0


class Lease:
    """One attempt's calls to the orchestrator. ``keys`` and ``report`` go with every later call."""

    def __init__(
        self,
        bus: Bus,
        task: RunnerTask,
        instance: str,
        usage: Callable[[], Usage],
        timing: Timing = Timing(),
        allow: Callable[[Left | None, Usage], None] = lambda left, told: None,
    ) -> None:
        self._allow = allow
        self._told = usage()  # what readers were told last
        self._bus, self._task, self._instance, self._usage, self._timing = bus, task, instance, usage, timing
        self.phase: Phase = "provisioning"
        self.patch_key: str | None = None
        self.bundle_key: str | None = None
        self.report: Report | None = None
        self.cancelled = self.lost = False  # told by the orchestrator, or ``lost`` by its silence
        self.told = asyncio.Event()  # set with either
        self.gone = asyncio.Event()  # set when lost
        self.reason = ""
        self._waiting: Waiting | None = None
        self._confirmed = 0.0
        self._news = asyncio.Event()
        self._events: asyncio.Queue[AttemptEvent] = asyncio.Queue()
        self._finishing = False

    async def claim(self) -> AttemptReply:
        """One try; raises BusError (NoResponders while no orchestrator runs)."""
        sent = self._now()
        reply = await self._call("claim")
        self._confirmed = sent
        return reply

    async def hold(self) -> None:
        """Heartbeats until cancelled from outside or lost. A cancel is told once and the lease is kept on."""
        teller = asyncio.create_task(self._tell_all())
        try:
            while not self.lost:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), self._timing.beat)
                self._news.clear()
                await self._beat()
        except Exception as error:  # without heartbeats the attempt is lost, whatever ended them
            log.error("lease.broke", job_id=self._task.job_id, exc_info=error)
            self._set(f"heartbeats ended: {error}", lost=True)
        finally:
            teller.cancel()

    def enter(self, phase: Phase) -> None:
        """Another phase; told at once."""
        self.phase = phase
        self.tell("phase")

    def tell(
        self, kind: Literal["claimed", "phase", "finished"], message: str = "", outcome: str | None = None
    ) -> None:
        """Publish an event for readers, in the background."""
        self._events.put_nowait(self._event(kind, message, outcome))
        self._news.set()

    def _event(
        self,
        kind: Literal["claimed", "phase", "usage", "finished"],
        message: str = "",
        outcome: str | None = None,
    ) -> AttemptEvent:
        return AttemptEvent(
            job_id=self._task.job_id,
            project_id=self._task.project_id,
            runner=self._task.runner,
            instance=self._instance,
            attempt=self._task.attempt,
            kind=kind,
            phase=self.phase,
            usage=self._usage(),
            outcome=outcome,
            message=message,
            at=datetime.now(UTC),
        )

    def saved(self, patch_key: str) -> None:
        """The work so far is stored; told at once, so that a killed runner's successor finds it."""
        self.patch_key = patch_key
        self._news.set()

    def wait(self, waiting: Waiting | None) -> None:
        """What the work is held up by, None when it goes on; told at once when it changes."""
        if waiting != self._waiting:
            self._waiting = waiting
            self._news.set()

    async def publish(self) -> None:
        """Ask for the right to push; raises Stopped when it is not given."""
        reply = await self._insist("publish")
        if reply.answer != "ok":
            self.cancelled = self.cancelled or reply.answer == "cancel"
            self._set(reply.reason, lost=reply.answer == "lost")
            raise Stopped(reply.reason)
        self.phase = "publishing"

    async def finish(self, outcome: Outcome) -> bool:
        """Tell the outcome; False when the attempt was somebody else's by then or nobody heard."""
        self._finishing = True
        try:
            reply = await self._insist("finish", outcome)
        except BusError as error:
            log.error("attempt.finish_unheard", reason=str(error))
            return False
        return reply.answer == "ok"

    async def _beat(self) -> None:
        """One confirmed heartbeat, or the loss of the lease."""
        while not self.ending():
            sent = self._now()
            try:
                reply = await self._call("heartbeat")
            except BusError as error:
                if self._overdue(f"no heartbeat was confirmed: {error}"):
                    return
                await asyncio.sleep(self._timing.pause)
                continue
            if self.ending():
                return  # after the finish was heard, the answer is ``lost`` and means nothing
            if reply.answer == "lost":
                self._set(reply.reason, lost=True)
            elif not self._overdue("the process was stopped for a while"):
                self._confirmed = sent
                self._tell_usage()
                if reply.answer == "cancel" and not self.cancelled:
                    self.cancelled = True
                    self._set(reply.reason)
            return

    def _tell_usage(self) -> None:
        """What grew since the last time, for those who watch."""
        usage = self._usage()
        if (usage.requests, usage.log_bytes) != (self._told.requests, self._told.log_bytes):
            self._told = usage
            self._events.put_nowait(self._event("usage"))

    def ending(self) -> bool:
        """Whether ``finish`` has been called."""
        return self._finishing

    def _overdue(self, why: str) -> bool:
        if self._now() - self._confirmed <= self._timing.patience or self._finishing:
            return False
        self._set(why, lost=True)
        return True

    def _set(self, reason: str, lost: bool = False) -> None:
        self.reason, self.lost = reason, lost or self.lost
        self.told.set()
        if self.lost:
            self.gone.set()

    async def _tell_all(self) -> None:
        while True:
            event = await self._events.get()
            subject = subjects.job_attempt(event.project_id, event.job_id)
            with contextlib.suppress(BusError):  # facts for readers; the heartbeat carries the phase as well
                await self._bus.publish(subject, encode(event))

    async def _insist(self, operation: str, outcome: Outcome | None = None) -> AttemptReply:
        """Call until it is answered, for at most ``finish`` seconds; the call is safe to repeat."""
        deadline = self._now() + self._timing.finish
        while True:
            try:
                return await self._call(operation, outcome)
            except BusError:
                if self._now() > deadline:
                    raise
                await asyncio.sleep(self._timing.pause)

    async def _call(self, operation: str, outcome: Outcome | None = None) -> AttemptReply:
        usage = self._usage()
        call = AttemptCall(
            job_id=self._task.job_id,
            project_id=self._task.project_id,
            runner=self._task.runner,
            instance=self._instance,
            attempt=self._task.attempt,
            phase=self.phase,
            usage=usage,
            waiting=self._waiting,
            outcome=outcome.result if outcome else None,
            failure=outcome.failure if outcome else None,
            report=self.report if operation in ("publish", "finish") else None,
            pr_url=outcome.pr_url if outcome else None,
            branch=outcome.branch if outcome else None,
            patch_key=self.patch_key,
            bundle_key=self.bundle_key,
        )
        subject = subjects.attempt_call(operation, self._task.runner, self._task.job_id)
        reply = decode(await self._bus.request(subject, encode(call), timeout=self._timing.answer), AttemptReply)
        if operation in ("claim", "heartbeat"):
            self._allow(reply.left, usage)
        return reply

    def _now(self) -> float:
        return time.monotonic()
