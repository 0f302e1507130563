"""The tables. Times are UTC; JSON columns hold msgspec's JSON text, the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Dialect

metadata = sa.MetaData()
_Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite numbers rows by itself for INTEGER only


class Moment(sa.TypeDecorator[datetime]):
    """An aware UTC datetime, stored without its zone."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Json(sa.TypeDecorator[Any]):
    """Any JSON value as text."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else msgspec.json.decode(value)


def _text(length: int = 300) -> sa.String:
    return sa.String(length)


feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("n", _Key, primary_key=True, autoincrement=True),  # arrival order
    sa.Column("id", _text(64), nullable=False, unique=True),
    sa.Column("project_id", _text(64), nullable=False),
    sa.Column("source", _text(64), nullable=False),
    sa.Column("external_id", _text(), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("raw_text", sa.Text, nullable=False),
    sa.Column("metadata", Json, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Column("repo", _text(), nullable=True),
    sa.Column("github_repo_url", _text(1000), nullable=True),
    sa.Column("github_issue_number", sa.BigInteger, nullable=True),
    sa.Column("github_issue_url", _text(1000), nullable=True),
    sa.Column("status", _text(16), nullable=False),
    sa.Column("fingerprint", _text(), nullable=True),
    sa.Column("stacktrace", sa.Text, nullable=True),
    sa.Column("frames", Json, nullable=False),
    sa.Column("exception_type", _text(), nullable=True),
    sa.Column("level", _text(), nullable=True),
    sa.Column("environment", _text(), nullable=True),
    sa.Column("release", _text(), nullable=True),
    sa.Column("trust", _text(16), nullable=False),
    sa.Column("user_key", _text(64), nullable=True),
    sa.Column("cluster_id", _text(64), nullable=True),
    sa.Column("score", sa.Float, nullable=True),
    sa.Column("reasons", Json, nullable=False),
    sa.Column("suggestions", Json, nullable=False),
    sa.Column("pinned", sa.Boolean, nullable=False),
    sa.Column("edited", Json, nullable=False),
    sa.UniqueConstraint("project_id", "source", "external_id", name="feedback_once"),
    sa.Index("feedback_by_project", "project_id", "n"),
    sa.Index("feedback_by_source", "project_id", "source", "n"),
    sa.Index("feedback_by_cluster", "cluster_id", "n"),
    sa.Index("feedback_by_fingerprint", "project_id", "source", "fingerprint"),
)

memos = sa.Table(  # what the engine learned from a report, so that a restart is quick
    "memos",
    metadata,
    sa.Column("n", _Key, primary_key=True, autoincrement=False),
    sa.Column("memo", sa.LargeBinary, nullable=False),
)

clusters = sa.Table(
    "clusters",
    metadata,
    sa.Column("id", _text(64), primary_key=True),
    sa.Column("project_id", _text(64), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("status", _text(16), nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("sources", Json, nullable=False),
    sa.Column("users_affected", sa.BigInteger, nullable=False),
    sa.Column("severity", _text(16), nullable=False),
    sa.Column("trust", _text(16), nullable=False),
    sa.Column("first_seen", Moment, nullable=True),
    sa.Column("last_seen", Moment, nullable=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Column("github_repo_url", _text(1000), nullable=True),
    sa.Column("suggested_repo_url", _text(1000), nullable=True),
    sa.Column("issue_title", sa.Text, nullable=True),
    sa.Column("issue_description", sa.Text, nullable=True),
    sa.Column("github_pr_url", _text(1000), nullable=True),
    sa.Column("job_id", _text(64), nullable=True),
    sa.Column("job_n", sa.BigInteger, nullable=False),  # the newest event of that job taken in
    sa.Column("error_message", sa.Text, nullable=True),
    sa.Column("dismissed_reason", sa.Text, nullable=True),
    sa.Column("snoozed_until", sa.BigInteger, nullable=True),
    sa.Column("regressed_at", Moment, nullable=True),
    sa.Column("regressions", sa.BigInteger, nullable=False),
    sa.Column("merged_into", _text(64), nullable=True),
    sa.Column("edited", Json, nullable=False),
    sa.Column("seen_at", Moment, nullable=True),  # a person has looked: never reshuffled by itself again
    sa.Column("proposals_open", sa.BigInteger, nullable=False, server_default="0"),  # open ones that concern it
    sa.Column("worded", Json, nullable=True),  # what a model wrote, see model.Worded
    sa.Index("clusters_by_project", "project_id", "merged_into", "updated_at"),
)

constraints = sa.Table(
    "constraints",
    metadata,
    sa.Column("project_id", _text(64), primary_key=True),
    sa.Column("kind", _text(8), primary_key=True),  # must, cannot
    sa.Column("a", _text(64), primary_key=True),
    sa.Column("b", _text(64), primary_key=True),
    sa.Column("actor", _text(), nullable=False),
    sa.Column("at", Moment, nullable=False),
)

history = sa.Table(
    "history",
    metadata,
    sa.Column("n", _Key, primary_key=True, autoincrement=True),
    sa.Column("id", _text(64), nullable=False, unique=True),
    sa.Column("project_id", _text(64), nullable=False),
    sa.Column("cluster_id", _text(64), nullable=False),
    sa.Column("kind", _text(16), nullable=False),
    sa.Column("actor", _text(), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("details", Json, nullable=False),
    sa.Column("reverse", Json, nullable=True),  # what undo needs; NULL: not reversible
    sa.Column("undone", sa.Boolean, nullable=False),
    sa.Index("history_by_cluster", "project_id", "cluster_id", "n"),
)

proposals = sa.Table(
    "proposals",
    metadata,
    sa.Column("id", _text(64), primary_key=True),
    sa.Column("project_id", _text(64), nullable=False),
    sa.Column("kind", _text(8), nullable=False, server_default="merge"),  # merge, split
    sa.Column("into_id", _text(64), nullable=False),
    sa.Column("other_id", _text(64), nullable=False),  # of a split: the cluster itself
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("reasons", Json, nullable=False),
    sa.Column("groups", Json, nullable=True),  # of a split: lists of report ids
    sa.Column("state", _text(16), nullable=False),  # open, accepted, refused, overtaken
    sa.Column("created_at", Moment, nullable=False),
    sa.Index("proposals_by_project", "project_id", "state"),
)

cluster_jobs = sa.Table(
    "cluster_jobs",
    metadata,
    sa.Column("n", _Key, primary_key=True, autoincrement=True),
    sa.Column("id", _text(64), nullable=False, unique=True),
    sa.Column("project_id", _text(64), nullable=False),
    sa.Column("status", _text(16), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("started_at", Moment, nullable=True),
    sa.Column("finished_at", Moment, nullable=True),
    sa.Column("error", sa.Text, nullable=True),
    sa.Column("stats", Json, nullable=False),
    sa.Index("cluster_jobs_by_project", "project_id", "n"),
)

outbox = sa.Table(  # messages a committed change implies, until they are published
    "outbox",
    metadata,
    sa.Column("n", _Key, primary_key=True, autoincrement=True),
    sa.Column("subject", _text(), nullable=False),
    sa.Column("msg_id", _text(), nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("name", _text(64), primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

erased = sa.Table(  # deleted projects: reports that were already under way then are dropped
    "erased",
    metadata,
    sa.Column("project_id", _text(64), primary_key=True),
    sa.Column("at", Moment, nullable=False),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", _text(64), primary_key=True),
    sa.Column("holder", _text(64), nullable=False),
    sa.Column("host", _text(), nullable=False),
    sa.Column("pid", sa.BigInteger, nullable=False),
    sa.Column("until", Moment, nullable=False),
)
