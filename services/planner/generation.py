"""One plan from start to end: repository, evidence, model when there is one, forecast."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol

from msgspec import structs

from messaging.ports import Bus
from schemas import subjects
from schemas.base import decode
from schemas.clusters import Cluster
from schemas.errors import Failure
from schemas.jobs import Job
from schemas.plans import Plan, PlanRequest
from services.planner.asking import Purse
from services.planner.checking import without_hostile_code
from services.planner.forecasting import forecast
from services.planner.grounder import Excerpt, Grounder, GroundingFailed, Task
from services.planner.reading import Reports, read_cluster
from services.planner.repositories import Ground, Mirrors, RepositoryProblem

Progress = Callable[[str], Awaitable[None]]
_REPOSITORY_ACTION: Final = "Set the cluster's repository, or name one with the request."


class PlanningFailed(Exception):
    """No plan: the failure is the request's outcome."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class Author(Protocol):
    """Whoever turns evidence into hypotheses and steps: a model, checked."""

    async def write(
        self, draft: Plan, reports: Reports, excerpts: list[Excerpt], ground: Ground, progress: Progress, purse: Purse
    ) -> Plan:
        """The plan with the author's parts. Raises PlanningFailed."""


class EvidenceOnly:
    """No model is configured: the evidence plan is the plan."""

    async def write(
        self, draft: Plan, reports: Reports, excerpts: list[Excerpt], ground: Ground, progress: Progress, purse: Purse
    ) -> Plan:
        return draft


class Generator:
    """Makes plans; knows nothing of versions or outcomes."""

    def __init__(self, bus: Bus, mirrors: Mirrors, grounder: Grounder, author: Author, cache: Path) -> None:
        self._bus, self._mirrors, self._grounder, self._author, self._cache = bus, mirrors, grounder, author, cache

    async def generate(
        self, request: PlanRequest, finished_jobs: Callable[[], Awaitable[list[Job]]], progress: Progress, purse: Purse
    ) -> Plan:
        """A plan without version or author yet. Raises PlanningFailed."""
        cluster = request.cluster or await self._cluster(request)
        repo_url = request.repo_url or cluster.github_repo_url
        if not repo_url:
            raise PlanningFailed(_no_repository(cluster))
        await progress("reading the repository")
        ground = await self._ground(repo_url, request.base_branch)
        await progress(f"looking for the code at {ground.commit[:12]}")
        reports = read_cluster(cluster)
        draft, excerpts = await self._draft(cluster, reports, ground)
        draft = structs.replace(
            draft,
            title=reports.title,
            repo_url=repo_url,
            base_branch=ground.branch,
            forecast=forecast(await finished_jobs()),
            notes=[*draft.notes, *reports.notes],
        )
        draft = without_hostile_code(draft)
        return await self._author.write(draft, reports, excerpts, ground, progress, purse)

    async def _cluster(self, request: PlanRequest) -> Cluster:
        stored = await self._bus.last(subjects.CLUSTERS, subjects.cluster(request.project_id, request.cluster_id))
        if stored is None:
            reason = f"There is no cluster {request.cluster_id} in project {request.project_id}."
            raise PlanningFailed(Failure(kind="planning", reason=reason, action="Check the cluster's id."))
        return decode(stored.data, Cluster)

    async def _ground(self, repo_url: str, branch: str | None) -> Ground:
        try:
            return await self._mirrors.ground(repo_url, branch)
        except RepositoryProblem as problem:
            raise PlanningFailed(repository_failure(problem)) from problem

    async def _draft(self, cluster: Cluster, reports: Reports, ground: Ground) -> tuple[Plan, list[Excerpt]]:
        task = Task(
            repository=str(ground.path),
            commit=ground.commit,
            cache=str(self._cache),
            reports=reports.said,
            frames=reports.frames,
            since=int(cluster.first_seen.timestamp()) if cluster.first_seen else None,
        )
        try:
            grounded = await self._grounder.ground(task)
        except GroundingFailed as failed:
            failure = Failure(kind="planning", reason=failed.reason, action=failed.action, detail=failed.detail)
            raise PlanningFailed(failure) from failed
        return decode(grounded.plan, Plan), grounded.excerpts


def repository_failure(problem: RepositoryProblem) -> Failure:
    """A repository's trouble as an outcome."""
    return Failure(kind="repository", reason=problem.reason, action=problem.action, detail=problem.detail[-2000:])


def _no_repository(cluster: Cluster) -> Failure:
    suggested = f" Its reports suggest {cluster.suggested_repo_url}." if cluster.suggested_repo_url else ""
    reason = f"No repository is known for cluster {cluster.id}.{suggested}"
    return Failure(kind="repository", reason=reason, action=_REPOSITORY_ACTION)
