"""Asking, before a job is written, whether open work of the same kind exists."""

from messaging.ports import Bus
from schemas import subjects
from schemas.jobs import FixRequest, Similar
from schemas.plans import Plan
from schemas.similarity import Footprint, marks_of, planned_files, still_open
from services.orchestrator.index import Index


class SimilarWork:
    """The authority on what the gateway asked first. Replicas that create at the same moment do not see each other."""

    def __init__(self, bus: Bus, index: Index) -> None:
        self._bus, self._index = bus, index

    async def find(self, key: str, request: FixRequest, plan: Plan | None) -> tuple[Similar, ...]:
        """Open work like the request's. Until its record is written the request counts as open work itself."""
        if request.approve_patch is not None or key in self._index.live:
            return ()
        mine = Footprint(
            job_id=request.job_id,
            cluster_id=request.cluster_id,
            project_id=request.project_id,
            repo_url=request.repo_url,
            files=planned_files(request.plan or plan),
            marks=request.marks or marks_of(request.cluster),
        )
        self._index.work.put(mine)  # before anything is awaited: of two that come together the second sees the first
        if request.force:
            return ()
        found = [one for one in self._index.work.like(mine) if one.job_id != request.retry_of]
        return tuple([one for one in found if one.pr_url is None or await self._open(request.project_id, one)])

    async def _open(self, project: str, one: Similar) -> bool:
        stored = await self._bus.last(subjects.CLUSTERS, subjects.cluster(project, one.cluster_id))
        return still_open(stored.data if stored else None)
