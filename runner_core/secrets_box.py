"""The user's token of a job: sealed in a bucket of the broker's memory, taken out by the runner that claims the job."""

import base64
import binascii

from messaging.ports import Bus
from runner_core.outcomes import AttemptFailed
from runtime.seal import Sealer, SealError
from schemas import subjects
from schemas.attempts import RunnerTask
from schemas.errors import Failure
from schemas.projects import SealedSecret

RETRIED = frozenset({"infrastructure", "model_unavailable", "agent"})  # failures after which another attempt may come


class SecretBox:
    """Holds the sealed form only as long as the attempt runs."""

    def __init__(self, bus: Bus, sealer: Sealer | None) -> None:
        self._state, self._sealer = bus.state(subjects.KV_SECRETS, SealedSecret), sealer
        self._taken: SealedSecret | None = None

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
        await self._state.delete(subjects.key(task.job_id))
        self._taken = entry.value
        return token

    async def give_back(self, task: RunnerTask, failure: Failure | None) -> None:
        """For the next attempt of the job, where one may come."""
        if self._taken is not None and failure is not None and failure.kind in RETRIED:
            await self._state.put(subjects.key(task.job_id), self._taken)


def _gone() -> Failure:
    return Failure(
        kind="repository",
        reason="The GitHub token that came with the request is no longer held (an hour at most, and one runner only).",
        action="Start the fix again with the token.",
    )


def _unreadable(why: str) -> Failure:
    return Failure(
        kind="configuration",
        reason=f"The runner cannot open the token that came with the request: {why}.",
        action="Give gateway and runner the same SOULCASTER_SECRET_KEY, then start the fix again.",
    )
