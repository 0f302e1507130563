"""Clears up after runners that were killed: sandboxes by their tag, and attempts' folders nobody holds."""

import asyncio
import shutil
from collections.abc import Callable

from runner_core.holding import is_held
from runner_core.kit import Kit
from runner_core.protocols import SandboxError
from runtime.logs import logger

log = logger("runner.reaper")
SWEEP_SECONDS = 60.0
LOCK = "lock"  # in an attempt's folder, held while the attempt lives


class Reaper:
    """``alive`` gives (job, attempt) of the attempts of this process."""

    def __init__(self, kit: Kit, alive: Callable[[], frozenset[tuple[str, int]]]) -> None:
        self._kit, self._alive = kit, alive

    async def keep(self) -> None:
        """Sweep every minute until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await self.sweep()

    async def sweep(self) -> None:
        """Once. A provider that fails is tried again with the next sweep."""
        try:
            for found in await self._kit.provider.find_by_tag(self._kit.runner):
                if (found.tag.job_id, found.tag.attempt) not in self._alive():
                    await self._kit.provider.destroy(found.id)
                    log.info("sandbox.reaped", sandbox=found.id, job_id=found.tag.job_id, attempt=found.tag.attempt)
        except (SandboxError, OSError) as error:
            log.warning("sandbox.not_reaped", reason=str(error))
        await asyncio.to_thread(self._folders)

    def _folders(self) -> None:
        if not self._kit.folder.is_dir():
            return
        for folder in self._kit.folder.iterdir():
            if (folder / LOCK).exists() and not is_held(folder / LOCK):
                shutil.rmtree(folder, ignore_errors=True)
                log.info("folder.reaped", folder=folder.name)
