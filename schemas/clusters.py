"""A cluster of reports as triage publishes it after each change."""

from typing import Literal

from schemas.base import Message, Part, Timestamp
from schemas.feedback import Frame, Source, Trust

ClusterStatus = Literal["new", "fixing", "pr_opened", "failed", "resolved", "dismissed"]
Severity = Literal["critical", "high", "medium", "low"]


class Evidence(Part, frozen=True, kw_only=True):
    """One report of the cluster, shortened for plans and prompts (body at most 8 KiB)."""

    feedback_id: str
    source: Source
    title: str
    body: str = ""
    frames: list[Frame] = []
    exception_type: str | None = None
    trust: Trust = "public"
    created_at: Timestamp | None = None
    url: str | None = None


class Cluster(Message, frozen=True, kw_only=True):
    """``clusters.<project>.<cluster>``: the whole current state of a cluster, at most 20 reports as evidence.

    The last message of the subject is the current state; ``revision`` grows by one with each change.
    """

    id: str
    project_id: str
    revision: int
    title: str
    summary: str = ""
    status: ClusterStatus = "new"
    count: int
    sources: list[Source] = []
    users_affected: int = 0
    severity: Severity = "medium"
    trust: Trust = "public"
    first_seen: Timestamp | None = None
    last_seen: Timestamp | None = None
    created_at: Timestamp
    updated_at: Timestamp
    github_repo_url: str | None = None
    suggested_repo_url: str | None = None
    issue_title: str | None = None
    issue_description: str | None = None
    github_pr_url: str | None = None
    job_id: str | None = None
    error_message: str | None = None
    dismissed_reason: str | None = None
    proposals_open: int = 0  # merges and splits that wait for a person
    worded_by: str | None = None  # the model that wrote title or summary; None: the evidence, or a person
    evidence: list[Evidence] = []
