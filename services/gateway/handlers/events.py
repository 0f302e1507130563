"""Following live: a job's states, a job's log, everything in the project."""

import asyncio
from contextlib import aclosing
from functools import lru_cache

import msgspec
from aiohttp import web

from messaging.hub import Frames, Lagged
from messaging.ports import CaughtUp, Stored
from schemas import subjects
from services.gateway import sse
from services.gateway.handlers import budgets
from services.gateway.handlers.fixes import view_of
from services.gateway.job_index import JobView
from services.gateway.plan_desk import PlanChange
from services.gateway.positions import Position
from services.gateway.problems import invalid
from services.gateway.shapes import fixes as shapes
from services.gateway.sse import Out
from services.gateway.table import Call, Route

EVENT_STREAM = "text/event-stream"
LOOK_SECONDS = 5.0
BUDGET_SECONDS = 1.0


class Progress:
    """How far a viewer has been served."""

    def __init__(self, after: int) -> None:
        self.sequence = after
        self.caught_up = False
        self._wanted: int | None = None
        self._there = asyncio.Event()

    def move(self, sequence: int, *, caught_up: bool = False) -> None:
        """Served up to a sequence."""
        self.sequence = max(self.sequence, sequence)
        self.caught_up = self.caught_up or caught_up
        if self._wanted is not None and self.caught_up and self.sequence >= self._wanted:
            self._there.set()

    async def reached(self, sequence: int) -> None:
        """Wait until served that far, and until the past has been served."""
        self._wanted = sequence
        self.move(self.sequence)
        await self._there.wait()


def log_frame(stored: Stored) -> bytes:
    """A log chunk as an event; made once for all viewers."""
    return sse.frame("log", stored.data, stored.sequence)


def job_frame(stored: Stored) -> bytes:
    """A job's status or attempt message as an event of that name."""
    return sse.frame(stored.subject.rpartition(".")[2], stored.data, stored.sequence)


async def follow_log(call: Call) -> web.StreamResponse:
    """``event: log`` for each chunk, ``event: end`` when the job has ended and all of its log was sent."""
    view = await view_of(call)
    return await _follow(call, view, subjects.LOGS, [subjects.logs(call.project_id, view.id)], log_frame)


async def follow_job(call: Call) -> web.StreamResponse:
    """``event: status`` and ``event: attempt``, from the job's beginning; ``event: end`` after the last."""
    view = await view_of(call)
    names = [subjects.job_status(call.project_id, view.id), subjects.job_attempt(call.project_id, view.id)]
    return await _follow(call, view, subjects.JOBS, names, job_frame)


async def _follow(call: Call, view: JobView, stream: str, names: list[str], render: object) -> web.StreamResponse:
    query: shapes.FollowQuery = call.query
    given = sse.resume_from(call, query.after)
    after = sse.sequence(given)
    if given is not None and view.terminal and await _last(call, stream, names) <= after:
        return web.Response(status=204)  # nothing will follow: a browser stops reconnecting
    progress = Progress(after)
    hub = call.gateway.hubs.get(stream, names, render=render)  # type: ignore[arg-type]

    async def serve(out: Out) -> None:
        async with aclosing(hub.join_frames(after)) as steps:
            async for step in steps:
                if isinstance(step, Frames):
                    await out.write(step.data)
                    progress.move(step.sequence)
                elif isinstance(step, CaughtUp):
                    progress.move(step.sequence, caught_up=True)

    async def finish(out: Out) -> None:
        ended = await _ended(call, view)
        await progress.reached(await _last(call, stream, names))
        await out.end(progress.sequence, job_id=view.id, status=ended.status, pr_url=ended.pr_url)

    return await sse.stream(call, serve, finish)


async def _last(call: Call, stream: str, names: list[str]) -> int:
    found = [await call.gateway.bus.last(stream, name) for name in names]
    return max((stored.sequence for stored in found if stored is not None), default=0)


async def _ended(call: Call, view: JobView) -> JobView:
    """The job's last state. The index tells at once; the bucket is looked at now and then in case it lags."""
    index = call.gateway.jobs
    while not view.terminal:
        if not await index.changed(view.id, LOOK_SECONDS):
            view = await view_of(call)
        else:
            view = index.get(call.project_id, view.id) or view
    return view


async def follow_project(call: Call) -> web.StreamResponse:
    """Job, cluster, plan and budget changes of the project. A new viewer gets ``event: hello`` first, then changes."""
    query: shapes.EventsQuery = call.query
    given = sse.resume_from(call, query.after)
    start = await _now(call) if given is None else Position.parse(given)
    if start is None:
        raise invalid("Last-Event-ID", "is not an id of this stream, such as j12-c40-p7")
    viewer = _Viewer(call, start)

    async def hello(out: Out) -> None:
        if given is None:
            await out.send("hello", msgspec.json.encode({"project_id": call.project_id}), str(start))
        await asyncio.gather(viewer.jobs(out), viewer.clusters(out), viewer.plans(out), viewer.budget(out))

    return await sse.stream(call, hello)


async def _now(call: Call) -> Position:
    jobs = await _newest(call, subjects.JOBS, [f"jobs.{call.project_id}.*.status"])
    clusters = await _newest(call, subjects.CLUSTERS, [f"clusters.{call.project_id}.*"])
    return Position(jobs, clusters, call.gateway.plans.revision)


async def _newest(call: Call, stream: str, names: list[str]) -> int:
    """The stream's sequence now."""
    async with aclosing(call.gateway.bus.follow(stream, names, after=None)) as items:
        async for item in items:
            if isinstance(item, CaughtUp):
                return item.sequence
    return 0


class _Viewer:
    """One viewer of a project: three producers that share a position."""

    def __init__(self, call: Call, position: Position) -> None:
        self.call, self.position = call, position
        self.project = call.project_id

    async def jobs(self, out: Out) -> None:
        names = [f"jobs.{self.project}.*.status"]
        hub = self.call.gateway.hubs.get(subjects.JOBS, names)
        async with aclosing(hub.join(self.position.jobs)) as items:
            async for item in items:
                if isinstance(item, CaughtUp | Lagged):
                    continue
                self.position = self.position.at(jobs=item.sequence)
                await out.send("job", item.data, str(self.position))

    async def clusters(self, out: Out) -> None:
        hub = self.call.gateway.hubs.get(subjects.CLUSTERS, [f"clusters.{self.project}.*"])
        async with aclosing(hub.join(self.position.clusters)) as items:
            async for item in items:
                if isinstance(item, CaughtUp | Lagged):
                    continue
                self.position = self.position.at(clusters=item.sequence)
                await out.send("cluster", brief(item.data), str(self.position))

    async def budget(self, out: Out) -> None:
        """What the project has spent and has left, once a second at most while it spends."""
        jobs = self.call.gateway.jobs
        spent = jobs.listen(self.project)
        try:
            while True:
                await spent.wait()
                spent.clear()
                project = await self.call.gateway.project(self.project)
                data = msgspec.json.encode(budgets.shown(self.call.gateway, project))
                await out.send("budget", data, str(self.position))
                await asyncio.sleep(BUDGET_SECONDS)
        finally:
            jobs.unlisten(self.project, spent)

    async def plans(self, out: Out) -> None:
        desk = self.call.gateway.plans
        changed = desk.listen()
        try:
            while True:
                changed.clear()
                for change in desk.since(self.project, self.position.plans):
                    self.position = self.position.at(plans=change.revision)
                    await out.send("plan", plan_event(change), str(self.position))
                await changed.wait()
        finally:
            desk.unlisten(changed)


@lru_cache(maxsize=64)
def brief(data: bytes) -> bytes:
    """A cluster message without its evidence, which can be long and which ``GET /clusters/{id}`` has."""
    values = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    values.pop("evidence", None)
    return msgspec.json.encode(values)


def plan_event(change: PlanChange) -> bytes:
    """What changed about a plan: its head and the newest outcome."""
    view = change.view
    newest = view.outcomes[-1] if view.outcomes else None
    return msgspec.json.encode({"cluster_id": view.cluster_id, "plan": view.current, "outcome": newest})


ROUTES = (
    Route(
        method="GET",
        path="/jobs/{job_id}/logs/stream",
        handler=follow_log,
        summary="Follow a job's log",
        tag="logs",
        role="viewer",
        query=shapes.FollowQuery,
        media=EVENT_STREAM,
        takes=("Last-Event-ID",),
        also=(404,),
    ),
    Route(
        method="GET",
        path="/jobs/{job_id}/events",
        handler=follow_job,
        summary="Follow a job's states and phases",
        tag="jobs",
        role="viewer",
        query=shapes.FollowQuery,
        media=EVENT_STREAM,
        takes=("Last-Event-ID",),
        also=(404,),
    ),
    Route(
        method="GET",
        path="/events",
        handler=follow_project,
        summary="Follow everything in the project",
        tag="operations",
        role="viewer",
        query=shapes.EventsQuery,
        media=EVENT_STREAM,
        takes=("Last-Event-ID",),
    ),
)
