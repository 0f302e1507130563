"""The coding plan of a cluster, requests to make or change one, and the record that keeps it."""

from typing import Any, Literal

from schemas.base import Message, Part, Timestamp
from schemas.clusters import Cluster
from schemas.errors import Failure
from schemas.spending import Left, Spend


class Symbol(Part, frozen=True, kw_only=True):
    """A definition inside a candidate file; lines are 1-based and inclusive."""

    name: str
    kind: str = "definition"
    start_line: int = 0
    end_line: int = 0


class CandidateFile(Part, frozen=True, kw_only=True):
    """A file that probably has to change; ``reasons`` say which evidence put it there, best first."""

    path: str
    score: float = 0.0
    reasons: list[str] = []
    symbols: list[Symbol] = []


class Hypothesis(Part, frozen=True, kw_only=True):
    """A possible cause; ``confidence`` is 0 to 1; ``refuted_by`` says what observation would rule it out."""

    statement: str
    confidence: float = 0.0
    evidence_for: list[str] = []
    evidence_against: list[str] = []
    refuted_by: str = ""


class ValidationStep(Part, frozen=True, kw_only=True):
    """How to see that the fix works; ``command`` is run by the runner from the repository's root with ``sh -c``."""

    title: str
    command: str | None = None
    kind: Literal["test", "lint", "manual"] = "test"


class SuspectCommit(Part, frozen=True, kw_only=True):
    """A commit that may have brought the defect in."""

    sha: str
    title: str
    author: str = ""
    at: Timestamp | None = None
    reason: str = ""


class ReportRef(Part, frozen=True, kw_only=True):
    """A report this plan answers."""

    feedback_id: str
    source: str
    title: str
    trust: str = "public"


class Forecast(Part, frozen=True, kw_only=True):
    """What a fix of this plan will probably cost, from past jobs of the project (``basis`` names how many)."""

    tokens: int | None = None
    cost_usd: float | None = None
    minutes: float | None = None
    basis: str = ""


class Stale(Part, frozen=True, kw_only=True):
    """What a check found changed under a plan. ``files`` are those of the plan that changed on its branch, none where
    its base commit left the branch; ``since`` is when a check first saw it, ``reason`` is for people."""

    since: Timestamp
    reason: str
    files: list[str] = []


class Plan(Message, frozen=True, kw_only=True):
    """One version of a cluster's plan, grounded in ``repo_url`` at ``base_commit``.

    ``grounded`` is ``model`` when hypotheses and steps came from a model and were checked against the repository,
    ``evidence`` when they came from retrieval alone. A person wrote ``edited_fields``: they survive regeneration.
    ``changed_fields`` and ``diff`` (unified, shortened) say what differs from the version before. ``checked_at`` is
    when ``base_commit`` was last compared with the tip of its branch; ``stale`` is what that found, None: nothing. The
    note that begins with "Stale: " says the same to older readers.
    """

    id: str
    project_id: str
    cluster_id: str
    version: int
    title: str
    description: str = ""
    summary: str = ""
    reports: list[ReportRef] = []
    hypotheses: list[Hypothesis] = []
    candidate_files: list[CandidateFile] = []
    suspect_commits: list[SuspectCommit] = []
    steps: list[str] = []
    validation_steps: list[ValidationStep] = []
    setup_commands: list[str] = []
    test_command: str | None = None
    nearest_tests: list[str] = []
    reproduction: str = ""
    risks: list[str] = []
    confidence: float = 0.0
    expected_size: str = ""
    forecast: Forecast | None = None
    repo_url: str
    base_branch: str
    base_commit: str
    grounded: Literal["evidence", "model"] = "evidence"
    model: str | None = None
    notes: list[str] = []
    conflicts: list[str] = []
    edited_fields: list[str] = []
    author: str = "planner"
    approved_by: str | None = None
    approved_at: Timestamp | None = None
    checked_at: Timestamp | None = None
    stale: Stale | None = None
    changed_fields: list[str] = []
    diff: str = ""
    created_at: Timestamp
    updated_at: Timestamp


class PlanRequest(Message, frozen=True, kw_only=True):
    """``requests.plan.<project>.<cluster>``: make a plan, write an edited version, approve one, or check whether
    its files have changed since (``expected_version``; with ``reground`` a stale plan is made again at once).

    ``id`` is also the Nats-Msg-Id; the outcome is found in the record's ``outcomes`` under it. ``left`` is what the
    project might still spend when this was asked, None: no limit, or not known.
    """

    id: str
    action: Literal["generate", "edit", "approve", "check"] = "generate"
    project_id: str
    cluster_id: str
    cluster: Cluster | None = None  # evidence; needed by generate
    repo_url: str | None = None
    base_branch: str | None = None
    job_id: str | None = None
    expected_version: int | None = None  # compare-and-set for edit and approve
    changes: dict[str, Any] = {}  # edit: field -> new value
    reground: bool = False
    left: Left | None = None
    requested_by: str = "gateway"
    created_at: Timestamp


class PlanOutcome(Part, frozen=True, kw_only=True):
    """What became of a PlanRequest; ``version`` is set when done, ``failure`` when failed.

    ``stale`` is set by a check: whether files of the plan had changed, None when that could not be seen; ``note`` says
    which.
    """

    request_id: str
    status: Literal["pending", "done", "failed", "conflict"]
    version: int | None = None
    failure: Failure | None = None
    progress: str = ""
    stale: bool | None = None
    note: str = ""
    at: Timestamp


class PlanRecord(Message, frozen=True, kw_only=True):
    """KV ``plans``, key ``<project>.<cluster>``: the current plan and the outcome of the last 20 requests.

    Older versions are kept whole under ``<project>.<cluster>.v<version>``. A failure is an outcome, never a plan.
    ``spending`` is what the model that writes plans was paid for this cluster, by day (UTC), ISO 8601.
    """

    project_id: str
    cluster_id: str
    current: Plan | None = None
    outcomes: list[PlanOutcome] = []
    spending: dict[str, Spend] = {}
    updated_at: Timestamp
