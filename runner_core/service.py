"""A runner as a service: takes tasks while it has room, tells that it lives, clears up, stops in order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from messaging.ports import BusError, NoResponders, Out, Retry
from messaging.topology import ensure_runner
from messaging.worker import NO_OUTS, Context, Worker
from runner_core.attempt import Attempt
from runner_core.kit import Kit
from runner_core.presence import Presence
from runner_core.reaping import Reaper
from runtime.logs import logger
from schemas.attempts import RunnerTask

log = logger("runner")
CLAIM_PAUSE = 0.5
CLAIM_TRIES = 8


class Slots:
    """``messaging.worker.Admission``: one leave for each attempt under way."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._semaphore = asyncio.Semaphore(count)

    async def acquire(self) -> None:
        await self._semaphore.acquire()

    def release(self) -> None:
        self._semaphore.release()


class Runner:
    """The attempts of this process."""

    def __init__(self, kit: Kit, slots: Slots) -> None:
        self._kit, self._slots = kit, slots
        self.attempts: dict[tuple[str, int], Attempt] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def handle(self, task: RunnerTask, context: Context) -> AsyncIterator[Out]:
        """Claim, start, and only then let the message be acknowledged. The slot is held until the attempt ends."""
        key = (task.job_id, task.attempt)
        if self._stopping:
            raise Retry("the runner is stopping")
        if key in self.attempts or not await self._start(task, key):
            self._slots.release()
        for out in NO_OUTS:
            yield out

    def jobs(self) -> list[str]:
        return [job for job, _ in self.attempts]

    async def stop(self, grace: float) -> None:
        """End all attempts in order; after ``grace`` seconds cut off what is left (the lease's end tells of it)."""
        self._stopping = True
        for attempt in self.attempts.values():
            attempt.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for running in self._tasks:
            running.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _start(self, task: RunnerTask, key: tuple[str, int]) -> bool:
        attempt = Attempt(self._kit, task)
        self.attempts[key] = attempt  # before the first await: a redelivery meanwhile must find it
        claimed = False
        try:
            claimed = await self._claim(attempt)
        finally:
            if not claimed:
                del self.attempts[key]
        if claimed:
            running = asyncio.create_task(self._run(attempt, key))
            self._tasks.add(running)
            running.add_done_callback(self._tasks.discard)
        return claimed

    async def _claim(self, attempt: Attempt) -> bool:
        """Whether the attempt is ours. No orchestrator for a few seconds is waited out, longer hands the task back."""
        for left in reversed(range(CLAIM_TRIES)):
            try:
                reply = await attempt.lease.claim()
            except NoResponders as error:
                if not left:
                    raise Retry(f"no orchestrator answers: {error}", delay=2.0) from error
                await asyncio.sleep(CLAIM_PAUSE)
                continue
            if reply.answer != "ok":
                log.info("attempt.not_claimed", job_id=attempt.task.job_id, reason=reply.reason)
            return reply.answer == "ok"
        return False

    async def _run(self, attempt: Attempt, key: tuple[str, int]) -> None:
        task = attempt.task
        log.info("attempt.claimed", job_id=task.job_id, project_id=task.project_id, attempt=task.attempt)
        attempt.lease.tell("claimed")
        try:
            await attempt.run()
        except Exception as error:  # an attempt's end frees its slot whatever a bug does; the lease's end tells
            log.error("attempt.broke", job_id=task.job_id, exc_info=error)
        finally:
            del self.attempts[key]
            self._slots.release()


async def serve_runner(kit: Kit, stop: asyncio.Event, *, slots: int, version: str = "", grace: float = 7.0) -> None:
    """Serve until ``stop``; then nothing more is taken and running attempts end with their work saved."""
    await ensure_runner(kit.bus, kit.runner)
    leaves = Slots(slots)
    runner = Runner(kit, leaves)
    presence = Presence(kit, slots, runner.jobs, version)
    reaper = Reaper(kit, lambda: frozenset(runner.attempts))
    await reaper.sweep()
    worker = Worker(kit.bus, kit.runner, runner.handle, RunnerTask, admission=leaves)
    side = [asyncio.create_task(presence.keep()), asyncio.create_task(reaper.keep())]
    try:
        working = asyncio.create_task(worker.run(stop))
        await asyncio.wait({working, *side}, return_when=asyncio.FIRST_COMPLETED)
        await _stopped(runner, working, grace)
    finally:
        for task in side:
            task.cancel()
        await asyncio.gather(*side, return_exceptions=True)
        with contextlib.suppress(BusError):
            await presence.leave()


async def _stopped(runner: Runner, working: "asyncio.Task[None]", grace: float) -> None:
    await runner.stop(grace)
    if not working.done():
        working.cancel()  # a side task crashed; the worker must not go on unseen
    await asyncio.wait({working})
    if not working.cancelled() and (error := working.exception()) is not None:
        raise error
