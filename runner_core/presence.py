"""The runner's sign of life in KV ``runners``: what it can do, how busy it is, and why it cannot work if so."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from messaging.ports import BusError
from runner_core.kit import Kit
from runtime.logs import logger
from schemas import subjects
from schemas.errors import Failure
from schemas.runners import RunnerInfo

log = logger("runner.presence")
BEAT_SECONDS = 5.0
PROBE_SECONDS = 60.0  # how often a runner that could not work looks again


class Presence:
    """Written every five seconds; the entry ends by itself 30 s after the last."""

    def __init__(self, kit: Kit, slots: int, jobs: Callable[[], list[str]], version: str) -> None:
        self._kit, self._slots, self._jobs, self._version = kit, slots, jobs, version
        self._state = kit.bus.state(subjects.KV_RUNNERS, RunnerInfo)
        self._key = subjects.key(kit.runner, kit.instance)
        self._started = datetime.now(UTC)
        self._problem: Failure | None = None
        self._probed = float("-inf")

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            await self._probe()
            try:
                await self._state.put(self._key, self._info())
            except BusError as error:
                log.warning("presence.unheard", reason=str(error))
            await asyncio.sleep(BEAT_SECONDS)

    async def leave(self) -> None:
        """Tell at once that this instance is gone."""
        await self._state.delete(self._key)

    async def _probe(self) -> None:
        first = self._probed == float("-inf")
        if not first and (self._problem is None or time.monotonic() - self._probed < PROBE_SECONDS):
            return
        found = await self._kit.problem()
        self._probed = time.monotonic()
        if found is not None and (first or found != self._problem):
            log.warning("runner.cannot_work", reason=found.reason, action=found.action, detail=found.detail)
        elif found is None:
            log.info("runner.ready", agent=self._kit.agent.name, sandbox=self._kit.provider.kind)
        self._problem = found

    def _info(self) -> RunnerInfo:
        jobs, problem = self._jobs(), self._problem
        return RunnerInfo(
            runner=self._kit.runner,
            instance=self._kit.instance,
            sandbox=self._kit.provider.kind,
            agent=self._kit.agent.name,
            agents=[agent.name.split()[0] for agent in (self._kit.agent, *self._kit.others)],
            capabilities=list(self._kit.provider.capabilities),
            slots=self._slots,
            busy=len(jobs),
            jobs=jobs,
            problem=f"{problem.reason} {problem.action}" if problem else None,
            version=self._version,
            started_at=self._started,
            seen_at=datetime.now(UTC),
        )
