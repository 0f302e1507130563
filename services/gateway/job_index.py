"""All jobs in memory, newest first, fed by one watch of KV ``jobs``: a list costs the same at 10 and 10,000 jobs."""

import asyncio
import base64
import binascii
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import aclosing

import msgspec

from messaging.ports import Bus, CaughtUp
from schemas import subjects
from schemas.base import Timestamp
from schemas.budgets import Ledger
from schemas.errors import Failure
from schemas.jobs import TERMINAL, FixRequest, JobStatus, Limits, Phase, Usage, Waiting
from schemas.similarity import Footprint, OpenWork, planned_files
from schemas.spending import Spend


class FollowUpView(msgspec.Struct, frozen=True, kw_only=True):
    """Whose pull request a job works on again."""

    of: str
    round: int
    pr_url: str
    at: Timestamp


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    """What lists need of a job's request; cluster evidence and plan are skipped while decoding."""

    repo_url: str = ""
    base_branch: str | None = None
    plan_version: int | None = None
    retry_of: str | None = None
    approve_patch: str | None = None
    requested_by: str = "user"
    marks: list[str] = []
    runner: str | None = None
    agent: str | None = None
    follow_up: FollowUpView | None = None
    limits: Limits = Limits()


class PlanView(msgspec.Struct, frozen=True, kw_only=True):
    """Which plan a job follows."""

    id: str
    version: int = 1


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job without its bulky parts: a reader's view of ``schemas.jobs.Job`` (unknown fields are ignored)."""

    id: str
    project_id: str
    cluster_id: str
    status: JobStatus = "pending"
    phase: Phase = "queued"
    request: RequestView = RequestView()
    plan: PlanView | None = None
    plan_id: str | None = None
    touches: list[str] = []
    runner: str = ""
    attempt: int = 0
    max_attempts: int = 3
    cancel_requested: str | None = None
    not_before: Timestamp | None = None
    waiting: Waiting | None = None
    usage: Usage = Usage()
    spending: dict[str, Spend] = {}
    pr_url: str | None = None
    branch: str | None = None
    patch_key: str | None = None
    bundle_key: str | None = None
    failure: Failure | None = None
    deadline: Timestamp | None = None
    created_at: Timestamp
    updated_at: Timestamp
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None

    @property
    def terminal(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in TERMINAL


Place = tuple[float, str]


def place(view: JobView) -> Place:
    """Its position: ascending place is newest first, and never changes in a job's life."""
    return (-view.created_at.timestamp(), view.id)


def accepted(request: FixRequest) -> JobView:
    """The job a stored request implies, until the orchestrator has written its record."""
    plan = PlanView(id=request.plan.id, version=request.plan.version) if request.plan else None
    return JobView(
        id=request.job_id,
        project_id=request.project_id,
        cluster_id=request.cluster_id,
        request=msgspec.convert(request, RequestView, from_attributes=True),
        plan=plan,
        plan_id=plan.id if plan else None,
        touches=planned_files(request.plan),
        runner=request.runner or "",
        created_at=request.created_at,
        updated_at=request.created_at,
    )


def footprint(view: JobView) -> Footprint | None:
    """What it touches while it is live or has a pull request."""
    if view.terminal and not (view.status == "success" and view.pr_url):
        return None
    return Footprint(
        job_id=view.id,
        cluster_id=view.cluster_id,
        project_id=view.project_id,
        repo_url=view.request.repo_url,
        files=view.touches,
        marks=view.request.marks,
        pr_url=view.pr_url if view.terminal else None,
    )


def cursor_of(view: JobView) -> str:
    """An opaque cursor that goes on after this job."""
    when, job_id = place(view)
    return base64.urlsafe_b64encode(f"{when!r}|{job_id}".encode()).decode().rstrip("=")


def place_of(cursor: str) -> Place:
    """The place a cursor stands for; raises ValueError."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        when, _, job_id = text.partition("|")
        return (float(when), job_id)
    except (binascii.Error, UnicodeDecodeError) as why:
        raise ValueError("not a cursor of this list") from why


class JobIndex:
    """Jobs by project. ``run`` keeps it current; everything else only reads."""

    def __init__(self, bus: Bus) -> None:
        self.state = bus.state(subjects.KV_JOBS, JobView)
        self.ready = asyncio.Event()
        self.work = OpenWork()
        self.ledger = Ledger()
        self._spent: set[tuple[str, asyncio.Event]] = set()
        self._jobs: dict[str, dict[str, JobView]] = defaultdict(dict)
        self._order: dict[str, list[Place]] = defaultdict(list)
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)

    async def run(self) -> None:
        """Follow the bucket until cancelled."""
        async with aclosing(self.state.watch()) as changes:
            async for entry in changes:
                if isinstance(entry, CaughtUp):
                    self.ready.set()
                    continue
                project, _, job_id = entry.key.partition(".")
                if entry.value is None:
                    self.forget(project, job_id)
                else:
                    self.learn(entry.value)

    def learn(self, view: JobView) -> None:
        """Take in a record."""
        self.book(view.project_id, view.id, view.spending)
        jobs, order = self._jobs[view.project_id], self._order[view.project_id]
        old = jobs.get(view.id)
        if old is not None and place(old) != place(view):
            order.pop(bisect_left(order, place(old)))
            old = None
        if old is None:
            insort(order, place(view))
        jobs[view.id] = view
        open_work = footprint(view)
        if open_work is None:
            self.work.drop(view.id)
        else:
            self.work.put(open_work)
        for event in self._waiting.pop(view.id, ()):
            event.set()

    def book(self, project: str, record: str, spending: dict[str, Spend]) -> None:
        """Take over what a record says was spent; listeners of its project hear of more."""
        if self.ledger.put(project, record, spending):
            for listening, event in self._spent:
                if listening == project:
                    event.set()

    def expect(self, request: FixRequest) -> None:
        """Show a request that was just stored as a pending job, so that its sender can read it at once."""
        if request.job_id not in self._jobs[request.project_id]:
            self.learn(accepted(request))

    def forget(self, project: str, job_id: str) -> None:
        """Drop a deleted record."""
        view = self._jobs[project].pop(job_id, None)
        self.work.drop(job_id)
        if view is not None:
            order = self._order[project]
            order.pop(bisect_left(order, place(view)))

    def get(self, project: str, job_id: str) -> JobView | None:
        """A job as last told."""
        return self._jobs[project].get(job_id)

    def newest(self, project: str, after: Place | None = None) -> Iterator[JobView]:
        """Jobs of a project, newest first, from just after a place."""
        jobs, order = self._jobs[project], self._order[project]
        start = 0 if after is None else bisect_left(order, (after[0], after[1] + "\x00"))
        for index in range(start, len(order)):
            yield jobs[order[index][1]]

    def page(
        self, project: str, *, limit: int, after: Place | None = None, keep: Callable[[JobView], bool] | None = None
    ) -> tuple[list[JobView], str | None]:
        """Up to ``limit`` jobs and the cursor of the rest, None when there is no rest."""
        found: list[JobView] = []
        for view in self.newest(project, after):
            if keep is not None and not keep(view):
                continue
            if len(found) == limit:
                return found, cursor_of(found[-1])
            found.append(view)
        return found, None

    def count(self, projects: set[str], keep: Callable[[JobView], bool]) -> int:
        """How many jobs of some projects fulfil a condition."""
        return sum(1 for project in projects for view in self._jobs[project].values() if keep(view))

    def listen(self, project: str) -> asyncio.Event:
        """An event that is set whenever the project has spent something."""
        event = asyncio.Event()
        self._spent.add((project, event))
        return event

    def unlisten(self, project: str, event: asyncio.Event) -> None:
        self._spent.discard((project, event))

    def released(self, project: str, job_id: str, patch_key: str) -> JobView | None:
        """The job that published, or is publishing, a patch held from an earlier one; None when there is none."""
        for view in self._jobs[project].values():
            same = view.request.retry_of == job_id and view.request.approve_patch == patch_key
            if same and view.status in ("pending", "running", "success"):
                return view
        return None

    def total(self) -> int:
        """How many jobs are known."""
        return sum(len(jobs) for jobs in self._jobs.values())

    async def changed(self, job_id: str, seconds: float) -> bool:
        """Wait for the next change of a job; False when none came in time."""
        event = asyncio.Event()
        self._waiting[job_id].add(event)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
            return True
        except TimeoutError:
            return False
        finally:
            if job_id in self._waiting:
                self._waiting[job_id].discard(event)
                if not self._waiting[job_id]:
                    del self._waiting[job_id]
