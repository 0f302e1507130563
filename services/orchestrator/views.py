"""The narrow readings of buckets that are watched: msgspec skips every field not named here."""

from typing import Any

import msgspec

from schemas.base import Timestamp
from schemas.budgets import Budget, budget_of
from schemas.jobs import TERMINAL, JobStatus, Phase
from schemas.plans import PlanOutcome
from schemas.spending import Spend


class Told(msgspec.Struct, frozen=True):
    """The part of a failure that shows whether a reason was told."""

    kind: str = ""
    reason: str = ""


class Unsent(msgspec.Struct, frozen=True):
    """An outbox entry by its id."""

    msg_id: str


class RequestMarks(msgspec.Struct, frozen=True):
    """What tells a request's work from others'."""

    repo_url: str = ""
    marks: list[str] = []


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """What scheduling needs to know of a record in KV ``jobs``; the plan and the evidence are not decoded."""

    id: str
    project_id: str
    cluster_id: str
    status: JobStatus
    phase: Phase
    runner: str = ""
    attempt: int = 0
    claimed: bool = False
    not_before: Timestamp | None = None
    lease_until: Timestamp | None = None
    phase_deadline: Timestamp
    deadline: Timestamp
    plan_request_id: str | None = None
    request: RequestMarks = RequestMarks()
    touches: list[str] = []
    pr_url: str | None = None
    failure: Told | None = None
    outbox: list[Unsent] = []
    spending: dict[str, Spend] = {}
    created_at: Timestamp

    @property
    def live(self) -> bool:
        return self.status not in TERMINAL

    @property
    def waiting(self) -> bool:
        """In the queue, now or after a back-off."""
        return self.live and self.phase == "queued"

    @property
    def holding(self) -> bool:
        """Handed out or claimed: it takes a slot."""
        return self.live and self.phase not in ("queued", "planning")


class PlanNews(msgspec.Struct, frozen=True):
    """Outcomes and books of a record in KV ``plans``. Kept older versions have none and are read as empty."""

    project_id: str = ""
    cluster_id: str = ""
    outcomes: list[PlanOutcome] = []
    spending: dict[str, Spend] = {}


class ProjectChoice(msgspec.Struct, frozen=True):
    """A project's own choices and limits in ``settings.fix``: ``runner``, ``concurrency``, ``budget``."""

    settings: dict[str, Any] = {}

    @property
    def runner(self) -> str | None:
        found = self._fix().get("runner")
        return found if isinstance(found, str) and found else None

    @property
    def concurrency(self) -> int | None:
        found = self._fix().get("concurrency")
        return found if isinstance(found, int) and found > 0 else None

    @property
    def budget(self) -> Budget:
        return budget_of(self._fix())

    def _fix(self) -> dict[str, Any]:
        found = self.settings.get("fix")
        return found if isinstance(found, dict) else {}
