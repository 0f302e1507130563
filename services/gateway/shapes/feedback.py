"""Feedback coming in, listed and edited."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from schemas.feedback import Source
from services.gateway.shapes.base import OpenBody, Query, Reply, RepoUrl, Text, Token

SourceName = Source
ReportText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200_000)]


class ManualReport(OpenBody):
    """A report typed by a person."""

    text: ReportText = Field(description="What happened; must not be empty.")
    title: Annotated[str, StringConstraints(max_length=500)] | None = None
    github_repo_url: RepoUrl | None = None


class RedditItem(OpenBody):
    """A Reddit post as the poller of the old system sends it."""

    id: Annotated[str, StringConstraints(max_length=200)] | None = None
    external_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="Reddit's id of the post; `id` when missing."
    )
    title: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    body: Text = ""
    raw_text: Text | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    created_at: datetime | None = None
    repo: Annotated[str, StringConstraints(max_length=200)] | None = None


class Ingested(Reply):
    """`ok`: stored. `duplicate`: it was stored before. `filtered`: the project's settings leave it out."""

    status: Literal["ok", "duplicate", "filtered"]
    id: str | None = None
    project_id: str
    message: str | None = None


class FeedbackQuery(Query):
    """Filters of the feedback list."""

    source: SourceName | None = None
    limit: int = Field(default=100, ge=1, le=1000)
    offset: int = Field(default=0, ge=0, le=10_000_000)
    q: str | None = Field(default=None, max_length=500, description="Full text search.")
    cluster_id: Token | None = None
    status: Literal["open", "closed"] | None = None
    level: str | None = Field(default=None, max_length=50)
    environment: str | None = Field(default=None, max_length=100)
    clustered: bool | None = Field(default=None, description="Only reports with, or only without, a cluster.")
    cursor: str | None = Field(default=None, max_length=500)


class FeedbackEdit(OpenBody):
    """Fields of a report that a person may change."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None
    body: Text | None = None
    raw_text: Text | None = None
    metadata: dict[str, Any] | None = None
    github_repo_url: RepoUrl | None = None
    repo: Annotated[str, StringConstraints(max_length=200)] | None = None
    status: Literal["open", "closed"] | None = None


class FeedbackEdited(Reply):
    """The report after the change."""

    status: Literal["ok"]
    item: dict[str, Any] = Field(description="As `GET /feedback/{id}` answers.")


class GithubSynced(Reply):
    """What a synchronisation with GitHub issues brought."""

    success: bool
    repo: str
    new_issues: int
    updated_issues: int
    archived_issues: int
    total_issues: int
    last_synced: datetime
    project_id: str
    synced_ids: list[str]


class PosthogSynced(Reply):
    """What a synchronisation with PostHog brought."""

    status: str
    events_synced: int
    project_id: str


class Polled(Reply):
    """How far one source has been read. `last_error` is null after a good poll; `limited_until`: it told us to wait."""

    source: str
    name: str
    polls: int = 0
    reports: int = Field(default=0, description="Published since the beginning.")
    last_reports: int = Field(default=0, description="Published by the last poll.")
    failures: int = Field(default=0, description="In a row.")
    last_error: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    next_at: datetime | None = None
    limited_until: datetime | None = None


class Polls(Reply):
    """Everything that is polled in the project."""

    items: list[Polled]
    project_id: str


class PollTriggered(Reply):
    """Whether a poll was started."""

    status: str
    message: str
    project_id: str
