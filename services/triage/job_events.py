"""What fix jobs do to their clusters: fixing, pr_opened, failed, and back to new on cancel."""

from collections.abc import AsyncIterator
from typing import Final

from messaging.ports import Out, Retry
from messaging.worker import NO_OUTS, Context
from runtime.logs import logger
from schemas.jobs import TERMINAL, JobEvent
from services.triage import model
from services.triage.calls import Desk
from services.triage.changes import Change
from services.triage.database import DatabaseDown
from services.triage.lease import LeaseLost
from services.triage.rows import ClusterRow
from services.triage.store import clusters

log = logger("triage.jobs")
HOPS: Final = 20


class JobEvents:
    """The handler of consumer ``triage-jobs``. Yields nothing: the outbox publishes the cluster."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def handle(self, event: JobEvent, context: Context) -> AsyncIterator[Out]:
        """Raises Retry while the database is away."""
        try:
            async with self._desk.grouping.lock(event.project_id):
                await self._take(event)
        except (DatabaseDown, LeaseLost) as error:
            raise Retry(str(error)) from error
        await self._desk.outbox.try_flush()
        for out in NO_OUTS:
            yield out

    async def _take(self, event: JobEvent) -> None:
        async with self._desk.database.write() as connection:
            change = Change(connection, event.project_id, self._desk.now(), "orchestrator")
            row = await self._cluster(change, event)
            effect = None if row is None else model.job_effect(row, event)
            if row is None or effect is None:
                log.info("job_event.ignored", job_id=event.job_id, cluster_id=event.cluster_id, status=event.status)
                return
            await change.touch([row.id])
            target = change.rows[row.id]
            told = (target.status, target.job_id, target.github_pr_url) != (effect.status, effect.job_id, effect.pr_url)
            told = told or (event.follow_up_of is not None and event.status in TERMINAL)
            target.status, target.job_id, target.job_n = effect.status, effect.job_id, effect.job_n
            target.github_pr_url, target.error_message = effect.pr_url, effect.error
            target.seen_at = target.seen_at or change.now
            if told:
                change.note(target.id, "job", effect.message, details={"job_id": event.job_id, "status": event.status})
            await change.finish()

    async def _cluster(self, change: Change, event: JobEvent) -> ClusterRow | None:
        """The cluster, or the one it lives on in."""
        id_: str | None = event.cluster_id
        for _ in range(HOPS):
            row = (await clusters.load(change.connection, event.project_id, [id_ or ""])).get(id_ or "")
            if row is None or row.merged_into is None:
                return row if row is not None and row.count else None
            id_ = row.merged_into
        return None
