"""What triage answers: reports, clusters, history, and the results of its operations (see ``schemas.triage``)."""

from typing import Any, Literal

from schemas.base import Part, Timestamp
from schemas.clusters import ClusterStatus, Severity
from schemas.feedback import FeedbackItem, Source, Trust


class FieldError(Part, frozen=True, kw_only=True):
    """One bad field: its path (``changes.status``) and what is wrong with it."""

    field: str
    reason: str


class WhyReason(Part, frozen=True, kw_only=True):
    """One piece of evidence that put a report where it is; ``weight`` 0 to 1."""

    kind: str
    detail: str
    weight: float = 0.0


class SuggestedCluster(Part, frozen=True, kw_only=True):
    """Another cluster the report may belong to, for a person to decide."""

    cluster_id: str
    title: str = ""
    item_id: str
    score: float
    reasons: list[WhyReason] = []


class FeedbackView(FeedbackItem, frozen=True, kw_only=True):
    """A stored report: the item as it came in, its cluster, and why it is there."""

    cluster_id: str | None = None
    score: float | None = None
    reasons: list[WhyReason] = []
    suggestions: list[SuggestedCluster] = []
    pinned: bool = False  # a person put it there
    updated_at: Timestamp | None = None
    truncated: bool = False  # body, raw_text or metadata shortened for a list; feedback_get has all


class ClusterView(Part, frozen=True, kw_only=True):
    """A cluster in a list. ``regressed_at``: new feedback came after it was resolved and reopened it.

    ``snoozed_until`` hides it until ``count`` reaches that number. ``merged_into`` is set when it lives on elsewhere.
    ``edited_fields`` were written by a person and survive automatic updates.
    """

    id: str
    project_id: str
    title: str
    summary: str = ""
    count: int
    status: ClusterStatus
    sources: list[Source] = []
    github_pr_url: str | None = None
    issue_title: str | None = None
    issue_description: str | None = None
    github_repo_url: str | None = None
    suggested_repo_url: str | None = None
    users_affected: int = 0
    severity: Severity = "medium"
    trust: Trust = "public"
    first_seen: Timestamp | None = None
    last_seen: Timestamp | None = None
    created_at: Timestamp
    updated_at: Timestamp
    revision: int
    job_id: str | None = None
    error_message: str | None = None
    dismissed_reason: str | None = None
    snoozed_until: int | None = None
    regressed_at: Timestamp | None = None
    regressions: int = 0
    merged_into: str | None = None
    edited_fields: list[str] = []
    proposals_open: int = 0  # merges and splits that wait for a person
    worded_by: str | None = None  # the model that wrote title or summary; None: the evidence, or a person


class Day(Part, frozen=True, kw_only=True):
    """Reports of one UTC day (``2026-11-23``)."""

    day: str
    count: int


class ProposedGroup(Part, frozen=True, kw_only=True):
    """Reports of a cluster that belong together; ``title`` is that of the first."""

    title: str = ""
    feedback_ids: list[str]


class Proposal(Part, frozen=True, kw_only=True):
    """Late evidence, waiting for a person: ``proposal_decide`` accepts or refuses it.

    ``merge``: ``other`` would become part of ``into``; ``other_title`` names the one that is not being looked at.
    ``split``: ``other`` is ``into`` itself, whose first group would stay and whose other ``groups`` would leave.
    """

    id: str
    kind: Literal["merge", "split"] = "merge"
    into: str
    other: str
    other_title: str = ""
    score: float
    reasons: list[WhyReason] = []
    groups: list[ProposedGroup] = []
    created_at: Timestamp


class ClusterDetail(ClusterView, frozen=True, kw_only=True):
    """A cluster with its reports (newest first), size over time (last 90 days), and open proposals."""

    feedback_items: list[FeedbackView] = []
    next_cursor: str | None = None  # more reports: cluster_get with this cursor
    timeline: list[Day] = []
    proposals: list[Proposal] = []


HistoryKind = Literal[
    "created",
    "edited",
    "merged",
    "split",
    "moved",
    "resolved",
    "dismissed",
    "snoozed",
    "reopened",
    "regressed",
    "relinked",
    "proposed",
    "worded",
    "undone",
    "job",
]


class HistoryEntry(Part, frozen=True, kw_only=True):
    """One thing that happened to a cluster: who (``triage``: automatic), when, what; ``reversible`` by undo."""

    id: str
    cluster_id: str
    kind: HistoryKind
    actor: str
    at: Timestamp
    message: str
    details: dict[str, Any] = {}
    reversible: bool = False
    undone: bool = False


class ClusterJob(Part, frozen=True, kw_only=True):
    """One run of ``POST /cluster-jobs``; stats: ``clustered``, ``new_clusters``, ``updated_clusters``."""

    id: str
    project_id: str
    status: Literal["pending", "running", "succeeded", "failed"]
    created_at: Timestamp
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    error: str | None = None
    stats: dict[str, int] = {}


class FeedbackPage(Part, frozen=True, kw_only=True):
    """``GET /feedback``."""

    items: list[FeedbackView]
    total: int
    limit: int
    offset: int = 0
    next_cursor: str | None = None
    project_id: str


class Stats(Part, frozen=True, kw_only=True):
    """``GET /stats``."""

    total_feedback: int
    by_source: dict[str, int]
    total_clusters: int
    project_id: str
    by_status: dict[str, int] = {}
    open_feedback: int = 0


class ClusterPage(Part, frozen=True, kw_only=True):
    """``GET /clusters``: the kept route answers ``items`` of all pages as a bare list."""

    items: list[ClusterView]
    total: int
    next_cursor: str | None = None
    project_id: str


class ClustersChanged(Part, frozen=True, kw_only=True):
    """Result of merge, split, move, undo and proposal_decide: the clusters as they are now, the named one first."""

    cluster: ClusterView
    others: list[ClusterView] = []
    entry: HistoryEntry | None = None


class HistoryPage(Part, frozen=True, kw_only=True):
    """``GET /clusters/{id}/history``, newest first."""

    items: list[HistoryEntry]
    next_cursor: str | None = None


class SplitAdvice(Part, frozen=True, kw_only=True):
    """A loose cluster and how it could be split; ``groups`` are report ids, ready for ``cluster_split``."""

    cluster_id: str
    title: str = ""
    reason: str
    current_avg_similarity: float
    current_quality: Literal["good", "fair", "loose"]
    suggested_subcluster_count: int
    subcluster_cohesions: list[float] = []
    groups: list[list[str]] = []


class Analysis(Part, frozen=True, kw_only=True):
    """``GET /clusters/analyze``."""

    success: bool = True
    project_id: str
    total_clusters: int
    healthy_clusters: int
    loose_clusters: int
    split_recommendations: list[SplitAdvice] = []


class MergeGroup(Part, frozen=True, kw_only=True):
    """Clusters that read as one: ``others`` would join ``into``."""

    into: str
    title: str = ""
    others: list[str]
    score: float
    reasons: list[WhyReason] = []


class Cleanup(Part, frozen=True, kw_only=True):
    """``POST /clusters/cleanup``; with ``preview`` nothing was changed and the counts say what would be."""

    success: bool = True
    message: str
    preview: bool = False
    total_clusters: int
    duplicate_groups: int
    merged_groups: int
    deleted_clusters: int
    remaining_clusters: int
    groups: list[MergeGroup] = []
    project_id: str


class ClusterJobPage(Part, frozen=True, kw_only=True):
    """``GET /cluster-jobs``."""

    jobs: list[ClusterJob]
    project_id: str
    next_cursor: str | None = None


class Embeddings(Part, frozen=True, kw_only=True):
    """The embedding endpoint as triage finds it.

    ``failing``: it is left alone until ``next_at``, for ``reason``. ``given``, ``missing``: reports with and without a
    vector since this instance started; those without are grouped all the same.
    """

    model: str
    state: Literal["working", "failing", "budget_spent"]
    reason: str | None = None
    next_at: Timestamp | None = None
    given: int = 0
    missing: int = 0


class ClusteringStatus(Part, frozen=True, kw_only=True):
    """``GET /clustering/status``; ``embeddings`` only where an endpoint is configured."""

    pending_unclustered: int
    is_clustering: bool
    last_job: ClusterJob | None = None
    project_id: str
    embeddings: Embeddings | None = None


class ProposalPage(Part, frozen=True, kw_only=True):
    """``proposal_list``: open proposals (of the project, or of one cluster), best first."""

    items: list[Proposal]


class ExportPage(Part, frozen=True, kw_only=True):
    """JSON lines, each with ``kind``: cluster, feedback, constraint or history; done when ``next_cursor`` is None."""

    lines: list[str]
    next_cursor: str | None = None


class ImportResult(Part, frozen=True, kw_only=True):
    """``skipped`` were there already; ``errors`` name the line (1-based) and the field, other lines are stored."""

    feedback: int = 0
    clusters: int = 0
    constraints: int = 0
    skipped: int = 0
    errors: list[FieldError] = []


class Deleted(Part, frozen=True, kw_only=True):
    """What ``delete_project`` removed from the database and from the streams FEEDBACK and CLUSTERS."""

    feedback: int
    clusters: int
    messages: int


class SearchResult(Part, frozen=True, kw_only=True):
    """Best first."""

    feedback: list[FeedbackView] = []
    clusters: list[ClusterView] = []


class Quota(Part, frozen=True, kw_only=True):
    """Reports and clusters held, together and for each project."""

    feedback: int
    clusters: int
    by_project: dict[str, int] = {}


class Health(Part, frozen=True, kw_only=True):
    """``triage.health``: answered by the active instance only. ``backlog``: stored reports waiting for a cluster."""

    instance: str
    database: Literal["sqlite", "postgresql"]
    feedback: int
    backlog: int = 0
