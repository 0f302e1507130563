"""Plans in KV ``plans``: every change a compare-and-set of the record, older versions kept whole beside it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from messaging.ports import Bus, Conflict
from schemas.jobs import TERMINAL, Job
from schemas.plans import Plan, PlanRecord, PlanRequest
from schemas.subjects import KV_JOBS, KV_PLANS, key
from services.planner import model
from services.planner.merging import bases_in, missing_bases
from services.planner.model import Finding

_TRIES: Final = 64
_JOBS_READ: Final = 40
Decide = Callable[[PlanRecord | None], PlanRecord | None]


class PlanStore:
    """The planner's only writer of KV ``plans``."""

    def __init__(self, bus: Bus) -> None:
        self._records = bus.state(KV_PLANS, PlanRecord)
        self._versions = bus.state(KV_PLANS, Plan)
        self._jobs = bus.state(KV_JOBS, Job)

    async def record(self, request: PlanRequest) -> PlanRecord | None:
        """The record of the request's cluster as stored now."""
        entry = await self._records.get(key(request.project_id, request.cluster_id))
        return entry.value if entry else None

    async def settle(self, request: PlanRequest, decide: Decide) -> PlanRecord | None:
        """Write what ``decide`` makes of the record; None when it changes nothing.

        A version that is replaced is archived first: a crash in between leaves a copy, never a hole.
        """
        name = key(request.project_id, request.cluster_id)
        for _ in range(_TRIES):
            entry = await self._records.get(name)
            before = entry.value if entry else None
            after = decide(before)
            if after is None:
                return None
            if before is not None and before.current is not None and _replaced(before.current, after.current):
                await self._archive(before.current)
            try:
                await (
                    self._records.create(name, after)
                    if entry is None
                    else self._records.replace(name, after, entry.revision)
                )
            except Conflict:
                continue
            return after
        raise Conflict(f"plan {name} was changed by others {_TRIES} times in a row; try again")

    async def propose(
        self, request: PlanRequest, proposal: Plan, now: Callable[[], datetime], found: Finding | None = None
    ) -> PlanRecord | None:
        """Write a generated plan as the next version, with the edits people made meanwhile."""
        bases: dict[str, Any] = {}
        record = await self.record(request)
        current = record.current if record else None
        version = current.version - 1 if current else 0
        while version > 0 and (wanted := missing_bases(current, bases)):
            older = await self.version(request, version)
            bases |= bases_in(older, wanted) if older else {}
            version -= 1
        return await self.settle(request, lambda old: model.planned(old, request, proposal, bases, now(), found))

    async def version(self, request: PlanRequest, number: int) -> Plan | None:
        """An older version."""
        entry = await self._versions.get(_archive_key(request.project_id, request.cluster_id, number))
        return entry.value if entry else None

    async def _archive(self, plan: Plan) -> None:
        name = _archive_key(plan.project_id, plan.cluster_id, plan.version)
        await self._versions.update(name, lambda stored: model.kept_version(stored, plan))

    async def finished_jobs(self, project: str) -> list[Job]:
        """Up to 40 finished jobs of a project; a sample, because a forecast must not read ten thousand records."""
        keys = sorted(await self._jobs.keys(project), reverse=True)[:_JOBS_READ]
        entries = [await self._jobs.get(name) for name in keys]
        jobs = [entry.value for entry in entries if entry is not None and entry.value is not None]
        return [job for job in jobs if job.status in TERMINAL]


def _replaced(before: Plan, after: Plan | None) -> bool:
    return after is not None and after.version != before.version


def _archive_key(project: str, cluster: str, version: int) -> str:
    return key(project, cluster, f"v{version}")
