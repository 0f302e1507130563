"""The user's token of a job: sealed in a bucket of the broker's memory until the job ends, opened by its runner."""

import asyncio
import base64
import binascii

from messaging.ports import Bus, BusError, Conflict, Entry
from runner_core.outcomes import AttemptFailed
from runtime.logs import logger
from runtime.seal import Sealer, SealError
from schemas import subjects
from schemas.attempts import RunnerTask
from schemas.errors import Failure
from schemas.projects import SealedSecret

log = logger("runner.token")
RENEW_SECONDS = 600.0  # the bucket's entries end an hour after they were last written


class SecretBox:
    """Opens the token and keeps its sealed form alive while the attempt runs. It deletes nothing: a killed runner's
    successor needs it, and only the orchestrator knows that no other attempt will come (docs/adr/0004)."""

    def __init__(self, bus: Bus, sealer: Sealer | None) -> None:
        self._state, self._sealer = bus.state(subjects.KV_SECRETS, SealedSecret), sealer
        self._entry: Entry[SealedSecret] | None = None

    async def take(self, task: RunnerTask) -> str | None:
        """The token, None when the job has none. Raises AttemptFailed when it should be there and cannot be had."""
        if not task.has_secret:
            return None
        entry = await self._state.get(subjects.key(task.job_id))
        if entry is None or entry.value is None:
            raise AttemptFailed(_gone())
        if self._sealer is None:
            raise AttemptFailed(_unreadable("SOULCASTER_SECRET_KEY is not set"))
        try:
            token = self._sealer.open(base64.b64decode(entry.value.sealed, validate=True), task.job_id).decode()
        except (SealError, binascii.Error, UnicodeDecodeError) as error:
            raise AttemptFailed(_unreadable(str(error))) from error
        self._entry = entry
        return token

    async def keep(self, every: float = RENEW_SECONDS) -> None:
        """Renew it until cancelled. Compare-and-set: what was deleted or replaced meanwhile is let be, so that an
        attempt that is over without knowing it brings nothing back."""
        while self._entry is not None and self._entry.value is not None:
            await asyncio.sleep(every)
            key, value = self._entry.key, self._entry.value
            try:
                revision = await self._state.replace(key, value, self._entry.revision)
            except Conflict:
                return
            except BusError as error:
                log.warning("token.not_renewed", key=key, reason=str(error))
            else:
                self._entry = Entry(key, value, revision)


def _gone() -> Failure:
    return Failure(
        kind="repository",
        reason="The GitHub token that came with the request is no longer held (an hour at most while a job waits).",
        action="Start the fix again with the token.",
    )


def _unreadable(why: str) -> Failure:
    return Failure(
        kind="configuration",
        reason=f"The runner cannot open the token that came with the request: {why}.",
        action="Give gateway and runner the same SOULCASTER_SECRET_KEY, then start the fix again.",
    )
