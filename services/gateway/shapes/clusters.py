"""Clusters, clustering jobs and triage by hand."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from services.gateway.shapes.base import Body, OpenBody, Query, Reply, RepoUrl, Text, Title, Token
from services.gateway.shapes.feedback import SourceName

Status = Literal["new", "fixing", "pr_opened", "failed", "resolved", "dismissed"]
Reason = Annotated[str, StringConstraints(max_length=2000)]
Ids = Annotated[list[Token], Field(min_length=1, max_length=500)]


class ClusterQuery(Query):
    """Filters of the cluster list."""

    limit: int | None = Field(default=None, ge=1, le=1000, description="Without it the whole list, as ever.")
    cursor: str | None = Field(default=None, max_length=500)
    status: Status | None = None
    source: SourceName | None = None
    severity: Literal["critical", "high", "medium", "low"] | None = None
    q: str | None = Field(default=None, max_length=500)
    min_count: int = Field(default=1, ge=1)
    include_snoozed: bool = True


class ClusterEdit(Body):
    """What a person says about a cluster; kept against later automatic updates."""

    title: Title | None = None
    summary: Text | None = None
    github_repo_url: RepoUrl | None = None
    status: Literal["new", "resolved", "dismissed"] | None = Field(
        default=None, description="`fixing`, `pr_opened` and `failed` follow from jobs and cannot be set."
    )
    reason: Reason | None = Field(default=None, description="Why, for a dismissal.")
    dismissed_reason: Reason | None = Field(default=None, description="The same.")
    snooze_more: int | None = Field(default=None, ge=1, le=1_000_000, description="Hide until so many more came.")


class Undo(OpenBody):
    """What to take back."""

    entry_id: Token | None = Field(default=None, description="A history entry; the newest manual change when missing.")


class Decision(Body):
    """Whether two clusters are one."""

    accept: bool


class SearchQuery(Query):
    """What to look for."""

    q: str = Field(min_length=1, max_length=500)
    limit: int = Field(default=20, ge=1, le=100)


class ImportLines(Body):
    """Lines of an export."""

    lines: Annotated[
        list[Annotated[str, StringConstraints(max_length=800_000)]], Field(min_length=1, max_length=10_000)
    ]


class DetailQuery(Query):
    """How many reports of the cluster, from where."""

    limit: int = Field(default=200, ge=1, le=1000)
    cursor: str | None = Field(default=None, max_length=500)


class Merge(Body):
    """Clusters to take into this one."""

    cluster_ids: Ids


class Split(Body):
    """Reports to take out into a cluster of their own."""

    feedback_ids: Ids
    title: Title | None = None


class Move(Body):
    """One report that belongs elsewhere."""

    feedback_id: Token
    to: Token = Field(description="A cluster id, or `new`.")


class CleanupWish(OpenBody):
    """How to merge near-duplicates."""

    preview: bool = Field(default=False, description="Only say what would be merged.")


class ClusteringStarted(Reply):
    """A clustering job."""

    job_id: str
    status: str
    project_id: str


class ClusterJobQuery(Query):
    """Paging of clustering jobs."""

    limit: int = Field(default=20, ge=1, le=50)
    cursor: str | None = Field(default=None, max_length=100)
