"""No work is lost: what the agent has done is taken out of its sandbox every few minutes and on every way out.

The newest bundle of an attempt replaces the one before; its key goes to the orchestrator with the next heartbeat, so
that the attempt after a killed runner finds it. Nothing that holds a secret, or more than may ever be published, is
kept.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from messaging.ports import BusError
from runner_core import artifacts, gate, reporting
from runner_core.bench import Bench
from runner_core.outcomes import AttemptFailed
from runner_core.patch import Patch, PatchError, take_in
from runner_core.protocols import Sandbox, SandboxError
from runner_core.source import Base
from runner_core.workbench import Work, collect
from runtime.logs import logger
from schemas.jobs import Verification

log = logger("runner.saving")
UNSAVED = (TimeoutError, AttemptFailed, SandboxError, PatchError, BusError)


async def store(bench: Bench, base: Base, bundle: bytes) -> Patch:
    """Describe the patch, and store bundle and diff unless they hold a secret. Raises PatchError, AttemptFailed."""
    objects, keys = bench.kit.bus.objects(), artifacts.keys(bench.task)
    patch = await take_in(base, bundle, bench.task.limits)
    if found := gate.secrets_in(patch, bench.needles):
        bench.lease.report = reporting.report(patch, bench.task.plan, Verification(), found, "")
        raise AttemptFailed(reporting.blocked(found))
    await objects.put(keys.bundle, bundle)
    bench.lease.bundle_key = keys.bundle
    await objects.put(keys.patch, patch.diff)
    bench.lease.saved(keys.patch)
    return patch


class Saver:
    """Of one agent's run in one sandbox. What equals the last saving is not stored again."""

    def __init__(self, bench: Bench, base: Base, sandbox: Sandbox) -> None:
        self._bench, self._base, self._sandbox = bench, base, sandbox
        self._stored = b""
        self._told = ""
        self._regular: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def saving(self) -> AsyncIterator[None]:
        """Save regularly within the block, and once more when it is left by an error or a stop."""
        self._regular = asyncio.create_task(self._keep())
        try:
            yield
        except asyncio.CancelledError:
            await self._still()
            await self.save(self._bench.saving)
            raise
        except BaseException:
            await self._still()
            await self.save(self._bench.kit.patience.save)
            raise
        finally:
            await self._still()

    async def last(self) -> Work:
        """The agent has ended: all that it did. No saving runs beside this, as both use the same place inside."""
        await self._still()
        return await collect(self._sandbox, self._bench.bundle_limit)

    async def _still(self) -> None:
        if self._regular is not None:
            self._regular.cancel()
            await asyncio.wait({self._regular})

    async def save(self, seconds: float) -> None:
        """At most ``seconds``. Whatever goes wrong here ends nothing and hides nothing; it is told."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._save(seconds)
        except UNSAVED as error:
            log.warning("work.not_saved", job_id=self._bench.task.job_id, reason=str(error))
            await self._tell(f"the work so far could not be saved: {error}" if str(error) else "saving took too long")

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._bench.kit.patience.save_every)
            report = self._bench.lease.report  # a secret found on the way is judged at the end, not now
            await self.save(self._bench.kit.patience.save)
            self._bench.lease.report = report

    async def _save(self, seconds: float) -> None:
        taken = await collect(self._sandbox, self._bench.bundle_limit, seconds)
        if taken.bundle is None:
            return
        digest = hashlib.sha256(taken.bundle).digest()
        if digest != self._stored:
            patch = await store(self._bench, self._base, taken.bundle)
            self._stored = digest
            files = "1 file" if len(patch.changes) == 1 else f"{len(patch.changes)} files"
            await self._tell(f"work saved: {files}, +{patch.additions} -{patch.deletions}")

    async def _tell(self, text: str) -> None:
        """Once, however often it is so."""
        if text != self._told:
            self._told = text
            try:
                await self._bench.pipe.system(text)
            except BusError as error:
                log.warning("work.not_told", job_id=self._bench.task.job_id, reason=str(error))
