"""Clears up after runners that were killed: sandboxes by their tag, and attempts' folders nobody holds."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from runner_core.holding import is_held
from runner_core.kit import Kit
from runner_core.protocols import SandboxError
from runtime.logs import logger

log = logger("runner.reaper")
SWEEP_SECONDS = 60.0


def lock_of(folder: Path) -> Path:
    """The lock file of an attempt's folder, beside it: made before the folder and removed after it."""
    return folder.with_name(f"{folder.name}.lock")


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
        for path in list(self._kit.folder.iterdir()):
            if path.is_dir() and not is_held(lock_of(path)):
                shutil.rmtree(path, ignore_errors=True)
                lock_of(path).unlink(missing_ok=True)
                log.info("folder.reaped", folder=path.name)
            elif path.is_file() and not is_held(path) and not path.with_suffix("").is_dir():
                path.unlink(missing_ok=True)
