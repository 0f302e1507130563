"""One attempt at a job, from a granted claim to its end.

Three things run side by side: the work, the lease's heartbeats, and the wish to stop. Whatever ends first, every
sandbox is destroyed and the attempt's folder removed before ``run`` returns; ``finish`` is called exactly once unless
the attempt is lost, and then nothing more is written.
"""

import asyncio
import shutil
import time
from pathlib import Path

from messaging.logpipe import LogPublisher
from messaging.ports import BusError
from runner_core import artifacts
from runner_core.bench import Bench
from runner_core.holding import Hold
from runner_core.kit import SHORTEST_KEY, Kit
from runner_core.lease import Lease
from runner_core.log_archive import LogArchive
from runner_core.logs import LogCapReached, LogPipe
from runner_core.masking import Needles
from runner_core.metering import Meter
from runner_core.outcomes import AttemptFailed, Outcome, Stopped, internal, log_cap
from runner_core.patch import PatchError
from runner_core.protocols import ForgeError, SandboxError
from runner_core.reaping import lock_of
from runner_core.secrets_box import SecretBox
from runner_core.source import SourceError
from runner_core.steps import work
from runtime.ids import new_id
from runtime.logs import logger
from schemas.attempts import RunnerTask
from schemas.errors import Failure
from schemas.jobs import Usage

log = logger("runner.attempt")
NAMED = (AttemptFailed, SandboxError, SourceError, PatchError, ForgeError)  # errors that carry their failure


class Attempt:
    """``run`` never raises but for cancellation; ``stop`` asks it to end soon and orderly."""

    def __init__(self, kit: Kit, task: RunnerTask) -> None:
        self._kit, self.task = kit, task
        self._bench: Bench | None = None
        spent = task.spent
        self.meter = Meter(
            task.limits.tokens,
            task.limits.cost_usd,
            kit.prices,
            spent.requests,
            spent.input_tokens,
            spent.output_tokens,
            spent.cost_usd,
            spent.unpriced_tokens,
        )
        self.lease = Lease(kit.bus, task, kit.instance, self._usage, kit.timing, self.meter.allow)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """After ``lease.claim`` was answered ok."""
        folder = self._kit.folder / f"{self.task.job_id}.{self.task.attempt}.{new_id()}"
        alive: Hold | None = None
        hold = asyncio.create_task(self.lease.hold())
        started = time.monotonic()
        try:
            await asyncio.to_thread(self._kit.folder.mkdir, 0o700, parents=True, exist_ok=True)
            alive = await asyncio.to_thread(Hold.make, lock_of(folder))
            await asyncio.to_thread(folder.mkdir, 0o700)
            async with self._kit.publisher.at_work(self.task.repo_url):
                outcome = await self._outcome(folder)
                if outcome is not None:
                    await self.lease.finish(outcome)
                    self._log(outcome, time.monotonic() - started)
                else:
                    log.warning("attempt.lost", **self._identity(), reason=self.lease.reason)
        finally:
            hold.cancel()
            await asyncio.wait({hold})
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            if alive is not None:
                lock_of(folder).unlink(missing_ok=True)
                alive.release()

    async def _outcome(self, folder: Path) -> Outcome | None:
        """None when the attempt is lost."""
        box = SecretBox(self._kit.bus, self._kit.sealer)
        try:
            token = await box.take(self.task)
            bench = self._bench = self._open(folder, token)
        except AttemptFailed as error:
            return Outcome("failed", error.failure)
        except BusError as error:
            return Outcome("failed", internal(error))
        keeping = asyncio.create_task(box.keep())
        try:
            outcome = await self._supervised(bench)
            if outcome is None:
                return None
            await self._close(bench, outcome)
        except BusError as error:
            log.warning("attempt.last_words", **self._identity(), reason=str(error))
        finally:
            keeping.cancel()
            await bench.pipe.abandon()
            await asyncio.wait({keeping})
        return None if self.lease.lost else outcome

    def _open(self, folder: Path, token: str | None) -> Bench:
        secrets = {"github-token": token or "", "model-key": self._kit.endpoint.key if self._kit.endpoint else ""}
        secrets |= {f"token-of-{host}": value for host, value in self._kit.own_tokens.items()}
        needles = Needles({name: value for name, value in secrets.items() if len(value) >= SHORTEST_KEY})
        publisher = LogPublisher(self._kit.bus, self.task.project_id, self.task.job_id, self.task.attempt)
        archive = LogArchive(folder / "log.ndjson", self.task)
        return Bench(
            kit=self._kit,
            task=self.task,
            lease=self.lease,
            meter=self.meter,
            folder=folder,
            pipe=LogPipe(publisher, needles, max(self.task.limits.log_bytes - self.task.spent.log_bytes, 0), archive),
            archive=archive,
            needles=needles,
            token=token,
            usage=self._usage,
        )

    async def _supervised(self, bench: Bench) -> Outcome | None:
        """The work's outcome, or what the first of lease and stop makes of it."""
        doing = asyncio.create_task(work(bench))
        told = asyncio.create_task(self.lease.told.wait())
        gone = asyncio.create_task(self.lease.gone.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({doing, told, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done() and self.lease.phase == "publishing":
                # A push cut off here might leave a branch without a job that owns it.
                await asyncio.wait(
                    {doing, gone}, timeout=self._kit.patience.save_on_stop, return_when=asyncio.FIRST_COMPLETED
                )
            if not doing.done():
                bench.saving = self._saving()
                doing.cancel()
                await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (doing, told, gone, stopping):
                task.cancel()
            await asyncio.wait({doing, told, gone, stopping})
        return self._judged(doing)

    def _saving(self) -> float:
        if self.lease.lost:
            return 0.0
        return self._kit.patience.save_on_stop if self._stopping.is_set() else self._kit.patience.save

    def _judged(self, doing: "asyncio.Task[Outcome]") -> Outcome | None:
        error = None if doing.cancelled() else doing.exception()
        if self.lease.lost:
            return None
        if not doing.cancelled() and error is None:
            return doing.result()
        if self.lease.cancelled:
            return Outcome("cancelled", Failure(kind="cancelled", reason=self.lease.reason or "A person cancelled."))
        if doing.cancelled() or isinstance(error, Stopped):
            return Outcome("failed", _stopped())
        assert error is not None
        return Outcome("failed", self._named(error))

    def _named(self, error: BaseException) -> Failure:
        if isinstance(error, NAMED):
            return error.failure
        if isinstance(error, LogCapReached):
            return log_cap(self.task.limits)
        log.error("attempt.crashed", **self._identity(), exc_info=error)
        return internal(error)

    async def _close(self, bench: Bench, outcome: Outcome) -> None:
        failure = outcome.failure
        if failure is not None:
            await bench.pipe.system(f"{outcome.result}: {failure.reason} {failure.action}".strip())
            if failure.detail:
                await bench.pipe.system(failure.detail)
        else:
            await bench.pipe.system(f"{outcome.result}: {outcome.pr_url}")
        await bench.pipe.close()
        await bench.archive.store(self._kit.bus.objects())
        if self.lease.report is not None:
            await artifacts.store_report(self._kit.bus.objects(), self.task, self.lease.report)

    def _usage(self) -> Usage:
        return Usage(
            requests=self.meter.requests,
            input_tokens=self.meter.input_tokens,
            output_tokens=self.meter.output_tokens,
            cost_usd=self.meter.cost_usd,
            log_bytes=self.task.spent.log_bytes + (self._bench.pipe.written if self._bench else 0),
            agent_seconds=self.task.spent.agent_seconds + (self._bench.agent_seconds if self._bench else 0.0),
            unpriced_tokens=self.meter.unpriced_tokens,
        )

    def _identity(self) -> dict[str, object]:
        return {"job_id": self.task.job_id, "project_id": self.task.project_id, "attempt": self.task.attempt}

    def _log(self, outcome: Outcome, seconds: float) -> None:
        failure = outcome.failure
        log.info(
            "attempt.finished",
            **self._identity(),
            outcome=outcome.result,
            seconds=round(seconds, 1),
            kind=failure.kind if failure else None,
            reason=failure.reason if failure else None,
            pr_url=outcome.pr_url,
        )


def _stopped() -> Failure:
    return Failure(
        kind="infrastructure", reason="The runner was stopped.", action="Another runner goes on from the work."
    )
