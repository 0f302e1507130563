"""Publishing what records imply: in order, with ids that follow from the record, as often as it takes.

A crash anywhere loses nothing: the record still holds the messages, and whoever finds them publishes them again under
the same ids. What this process knows to be stored is remembered, so that the next write of the record drops it.
"""

import asyncio
import contextlib

import msgspec

from messaging.ports import Bus, BusError, Out
from runtime import logs
from schemas.jobs import Job, Outgoing
from services.orchestrator.model.messages import render

log = logs.logger("orchestrator.outbox")


class Outbox:
    """One first-in first-out publisher, so that a job's events keep their order."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._posted: asyncio.Queue[Job] = asyncio.Queue()
        self._stored: dict[str, set[str]] = {}

    def post(self, job: Job) -> None:
        """Publish the record's outbox soon; returns at once."""
        if self.unsent(job):
            self._posted.put_nowait(job)

    async def run(self) -> None:
        """Publish what is posted, until cancelled."""
        while True:
            job = await self._posted.get()
            try:
                await self.flush(job)
            except BusError as error:  # the record keeps the messages; the reconciler comes back to them
                log.warning("outbox.delayed", job_id=job.id, project_id=job.project_id, reason=str(error))
            finally:
                self._posted.task_done()

    async def drain(self, seconds: float) -> None:
        """Give what is posted a moment to be published before the process ends."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._posted.join(), seconds)

    async def flush(self, job: Job) -> None:
        """Publish every entry that is not known to be stored; raises BusError."""
        for entry in self.unsent(job):
            data = render(job, entry)
            if data is not None:
                await self._bus.publish(entry.subject, data, msg_id=entry.msg_id)
            self.sent(job, entry)

    def unsent(self, job: Job) -> list[Outgoing]:
        """Entries that this process does not know to be stored."""
        stored = self._stored.get(job.id, ())
        return [entry for entry in job.outbox if entry.msg_id not in stored]

    def sent(self, job: Job, entry: Outgoing) -> None:
        """Remember that an entry is stored."""
        self._stored.setdefault(job.id, set()).add(entry.msg_id)

    def stripped(self, job: Job) -> Job:
        """The record without the entries known to be stored, as the next write should have it."""
        rest = self.unsent(job)
        return job if len(rest) == len(job.outbox) else msgspec.structs.replace(job, outbox=rest)

    def drop(self, job_id: str) -> None:
        """The record's outbox was seen empty."""
        self._stored.pop(job_id, None)

    def forget(self, job: Job) -> None:
        """The record no longer holds these entries: nothing of them needs to be remembered."""
        stored = self._stored.get(job.id)
        if stored is None:
            return
        stored.intersection_update({entry.msg_id for entry in job.outbox})
        if not stored:
            del self._stored[job.id]


def out(job: Job, entry: Outgoing) -> Out | None:
    """An entry as a worker's handler yields it; None when it is stale."""
    data = render(job, entry)
    return None if data is None else Out(entry.subject, msgspec.Raw(data), entry.msg_id)
