"""The live jobs of the bucket, in memory: who waits, who holds a slot, what is due. Pure.

Fed by the bucket's watch and by this replica's own writes; a finished job leaves it, so its size and its cost do not
depend on how many jobs have ever run. It is only ever a hint: each action on it is a compare-and-set on the record.
"""

import heapq
from datetime import datetime
from typing import Final, Literal, NamedTuple

from schemas.budgets import Ledger
from schemas.similarity import Footprint, OpenWork
from services.orchestrator.fairness import FairQueue, Waiting
from services.orchestrator.views import JobView

DueKind = Literal["deadline", "lease", "ready", "outbox", "plan"]
# Seconds until somebody makes sure that an outbox was published: its writer (the next heartbeat mostly drops it first),
# then any other replica, and at once whoever starts and finds it.
OUTBOX_OWN: Final = 3.0
OUTBOX_OWN_HELD: Final = 8.0
OUTBOX_OTHER: Final = 6.0
PLAN_POLL: Final = 10.0


class Due(NamedTuple):
    """Something to look at, at a time of the monotonic clock."""

    at: float
    key: str
    kind: DueKind
    revision: int


class Live(NamedTuple):
    """A job as last seen, since when its lease has been seen unchanged, and when its time is up."""

    view: JobView
    revision: int
    seen: float
    lease_seen: float
    ends: float


class Index:
    """``lease`` is in seconds, times are of the caller's monotonic clock. ``starting``: still in the first reading."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self.starting = True
        self.live: dict[str, Live] = {}
        self.queue = FairQueue()
        self.work = OpenWork()
        self.ledger = Ledger()
        self._clusters: dict[tuple[str, str], set[str]] = {}
        self._plans: dict[str, str] = {}
        self._due: list[Due] = []
        self._armed: dict[str, float] = {}  # one deadline noted per job, not one per heartbeat

    def put(self, key: str, view: JobView | None, revision: int, now: datetime, at: float, own: bool = False) -> None:
        """Take over a version of a record; an older one than is known changes nothing."""
        if view is not None:
            self.ledger.put(view.project_id, view.id, view.spending)
        known = self.live.get(key)
        if known is not None and revision <= known.revision:
            return
        self._forget(key)
        self.note_work(key, view)
        if view is None or not (view.live or view.outbox):
            return
        same_lease = known is not None and known.view.lease_until == view.lease_until
        lease_seen = known.lease_seen if known is not None and same_lease else at
        ends = at + (min(view.phase_deadline, view.deadline) - now).total_seconds()
        self.live[key] = Live(view, revision, at, lease_seen, ends)
        if view.outbox:
            self._push(at + self._outbox_delay(view, own), key, "outbox", revision)
        if view.live:
            self._place(key, view, revision, now, at)

    def _place(self, key: str, view: JobView, revision: int, now: datetime, at: float) -> None:
        self._clusters.setdefault((view.project_id, view.cluster_id), set()).add(key)
        self._arm(key, self.live[key].ends)
        if view.claimed:
            self._push(self.live[key].lease_seen + self._lease, key, "lease", revision)
        if view.holding:
            self.queue.hold(key, view.project_id, view.runner)
        elif view.phase == "planning" and view.plan_request_id is not None:
            self._plans[view.plan_request_id] = key
            self._push(at + PLAN_POLL, key, "plan", revision)
        elif view.not_before is not None and view.not_before > now:
            self._push(at + (view.not_before - now).total_seconds(), key, "ready", revision)
        else:
            self.queue.wait(Waiting(view.created_at, key, view.project_id, view.runner))

    def _outbox_delay(self, view: JobView, own: bool) -> float:
        if own:
            return OUTBOX_OWN_HELD if view.claimed else OUTBOX_OWN
        return 0.0 if self.starting else OUTBOX_OTHER

    def _forget(self, key: str) -> None:
        known = self.live.pop(key, None)
        self.queue.leave(key)
        if known is None:
            return
        cluster = (known.view.project_id, known.view.cluster_id)
        members = self._clusters.get(cluster, set())
        members.discard(key)
        if not members:
            self._clusters.pop(cluster, None)
        if known.view.plan_request_id is not None:
            self._plans.pop(known.view.plan_request_id, None)

    def note_work(self, key: str, view: JobView | None) -> None:
        """Keep what a job touches while it is live or has a pull request."""
        if view is None or not (view.live or (view.status == "success" and view.pr_url)):
            self.work.drop(key.partition(".")[2])
            return
        self.work.put(
            Footprint(
                job_id=view.id,
                cluster_id=view.cluster_id,
                project_id=view.project_id,
                repo_url=view.request.repo_url,
                files=view.touches,
                marks=view.request.marks,
                pr_url=view.pr_url if not view.live else None,
            )
        )

    def rival(self, project: str, cluster: str, job: str) -> str | None:
        """The key of another live job of the cluster."""
        members = self._clusters.get((project, cluster), set())
        return next((key for key in sorted(members) if self.live[key].view.id != job), None)

    def planning(self, request_id: str) -> str | None:
        """The key of the job that waits for this plan request."""
        return self._plans.get(request_id)

    def due(self, at: float) -> list[Due]:
        """Take all that is due and still about the version it was noted for."""
        found = []
        while self._due and self._due[0].at <= at:
            item = heapq.heappop(self._due)
            known = self.live.get(item.key)
            if item.kind == "deadline" and self._armed.get(item.key) == item.at:
                del self._armed[item.key]
                if known is not None and known.view.live and known.ends <= at:
                    found.append(item)
                elif known is not None and known.view.live:
                    self._arm(item.key, known.ends)
            elif known is not None and item.kind != "deadline" and known.revision == item.revision:
                found.append(item)
        return found

    def again(self, item: Due, at: float) -> None:
        """Look at it again at ``at`` if the record is still the same then."""
        if item.kind == "deadline":
            self._arm(item.key, at)
        else:
            self._push(at, item.key, item.kind, item.revision)

    def later(self, key: str, at: float) -> None:
        """A waiting job that could not be handed out is tried again at ``at``, unless it has changed by then."""
        known = self.live.get(key)
        if known is not None:
            self._push(at, key, "ready", known.revision)

    def requeue(self, key: str) -> None:
        """A job whose back-off is over, or whose hand-out did not happen, waits (again)."""
        known = self.live.get(key)
        if known is not None and known.view.waiting:
            view = known.view
            self.queue.wait(Waiting(view.created_at, key, view.project_id, view.runner))

    def _arm(self, key: str, at: float) -> None:
        """Note the job's deadline unless an earlier look at it is noted already."""
        if at < self._armed.get(key, float("inf")):
            self._armed[key] = at
            self._push(at, key, "deadline", 0)

    def _push(self, at: float, key: str, kind: DueKind, revision: int) -> None:
        heapq.heappush(self._due, Due(at, key, kind, revision))
