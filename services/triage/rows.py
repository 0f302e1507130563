"""Rows as typed structs, and what is made of them: views for callers, reports for the engine, messages for the bus."""

from datetime import datetime
from typing import Any, Final, cast

import msgspec

from schemas.base import Part, encode
from schemas.clusters import Cluster, ClusterStatus, Evidence, Severity
from schemas.feedback import FeedbackItem, Frame, Source, Trust
from schemas.triage_results import ClusterView, FeedbackView, HistoryEntry, SuggestedCluster, WhyReason
from services.triage.engine import Assignment, Report
from services.triage.engine import Reason as EngineReason

EVIDENCE_BODY: Final = 8 * 1024  # bytes of a report's body inside a cluster message
MESSAGE_BYTES: Final = 900_000  # the broker's limit is 1 MiB
LIST_TEXT: Final = 4_000  # characters of a long text inside a list


class Worded(msgspec.Struct, frozen=True, kw_only=True):
    """What a model wrote for a cluster of ``count`` reports from ``sources``; ``what`` leads the summary."""

    by: str
    count: int
    sources: list[str]
    title: str
    what: str


class ClusterRow(msgspec.Struct, kw_only=True):
    """One row of ``clusters``."""

    id: str
    project_id: str
    created_at: datetime
    updated_at: datetime
    revision: int = 0
    title: str = ""
    summary: str = ""
    status: ClusterStatus = "new"
    count: int = 0
    sources: list[str] = []
    users_affected: int = 0
    severity: Severity = "medium"
    trust: Trust = "public"
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    github_repo_url: str | None = None
    suggested_repo_url: str | None = None
    issue_title: str | None = None
    issue_description: str | None = None
    github_pr_url: str | None = None
    job_id: str | None = None
    job_n: int = 0
    error_message: str | None = None
    dismissed_reason: str | None = None
    snoozed_until: int | None = None
    regressed_at: datetime | None = None
    regressions: int = 0
    merged_into: str | None = None
    edited: list[str] = []
    seen_at: datetime | None = None
    proposals_open: int = 0
    worded: Worded | None = None


class EvidenceRow(Part, frozen=True, kw_only=True):
    """The parts of a report that titles, summaries and evidence are made of."""

    cluster_id: str
    id: str
    n: int
    source: Source
    title: str
    body: str
    frames: list[Frame]
    exception_type: str | None
    trust: Trust
    status: str
    created_at: datetime
    github_issue_url: str | None
    metadata: dict[str, Any]
    environment: str | None
    release: str | None


class Facts(Part, frozen=True, kw_only=True):
    """What a cluster's reports add up to; ``evidence`` holds its first 5 and newest 15, oldest first."""

    count: int
    open: int
    users: int
    first_seen: datetime
    last_seen: datetime
    sources: list[str]
    trusts: list[str]
    levels: dict[str, int]
    repositories: dict[str, int]
    chosen: dict[str, int] = msgspec.field(default_factory=dict)  # named by people in the reports they typed
    evidence: list[EvidenceRow] = msgspec.field(default_factory=list)


def feedback_values(item: FeedbackItem, now: datetime) -> dict[str, Any]:
    """The columns of a new report, before it is grouped."""
    kept = {name: getattr(item, name) for name in _COPIED}
    return kept | {
        "body": item.body,
        "frames": [msgspec.to_builtins(frame) for frame in item.frames],
        "user_key": item.user,
        "received_at": item.received_at or now,
        "updated_at": now,
        "cluster_id": None,
        "score": None,
        "reasons": [],
        "suggestions": [],
        "pinned": False,
        "edited": [],
    }


_COPIED: Final = (
    "id",
    "project_id",
    "source",
    "external_id",
    "title",
    "raw_text",
    "metadata",
    "created_at",
    "repo",
    "github_repo_url",
    "github_issue_number",
    "github_issue_url",
    "status",
    "fingerprint",
    "stacktrace",
    "exception_type",
    "level",
    "environment",
    "release",
    "trust",
)


def assigned_values(found: Assignment) -> dict[str, Any]:
    """The columns that say where a report went and why."""
    suggestions = [
        {"cluster_id": one.cluster_id, "item_id": one.item_id, "score": one.score, "reasons": _why(one.reasons)}
        for one in found.suggestions
    ]
    return {
        "cluster_id": found.cluster_id,
        "score": found.score,
        "reasons": _why(found.reasons),
        "suggestions": suggestions,
    }


def _why(reasons: tuple[EngineReason, ...]) -> list[dict[str, Any]]:
    return [{"kind": one.kind, "detail": one.detail[:500], "weight": one.weight} for one in reasons[:8]]


def report_of(row: dict[str, Any]) -> Report:
    """What the engine sees of a report; a trace that is also part of the body is shown to it once."""
    body, trace = row["body"], row["stacktrace"]
    if trace and trace in body:
        body, trace = (body, None) if trace == body else (body.replace(trace, ""), trace)
    return Report(
        id=row["id"],
        source=row["source"],
        title=row["title"],
        body=body,
        created_at=row["created_at"],
        stacktrace=trace,
        fingerprint=row["fingerprint"],
    )


def feedback_view(row: dict[str, Any], titles: dict[str, str] | None = None, *, short: bool = False) -> FeedbackView:
    """A stored report for callers; ``titles`` names suggested clusters, ``short`` cuts long texts for lists."""
    fields = {
        name: row[name] for name in (*_COPIED, "body", "cluster_id", "score", "pinned", "updated_at", "received_at")
    }
    suggestions = [
        SuggestedCluster(
            cluster_id=one["cluster_id"],
            title=(titles or {}).get(one["cluster_id"], ""),
            item_id=one["item_id"],
            score=one["score"],
            reasons=msgspec.convert(one["reasons"], list[WhyReason]),
        )
        for one in row["suggestions"]
        if titles is None or one["cluster_id"] in titles
    ]
    fields |= {
        "frames": msgspec.convert(row["frames"], list[Frame]),
        "user": row["user_key"],
        "reasons": msgspec.convert(row["reasons"], list[WhyReason]),
        "suggestions": suggestions,
    }
    return FeedbackView(**(_shortened(fields) if short else fields))


def _shortened(fields: dict[str, Any]) -> dict[str, Any]:
    cut = {
        name: text[:LIST_TEXT]
        for name in ("body", "raw_text", "stacktrace")
        if len(text := fields[name] or "") > LIST_TEXT
    }
    if len(fields["frames"]) > 20:
        cut["frames"] = fields["frames"][-20:]
    if len(encode(fields["metadata"])) > LIST_TEXT:
        cut["metadata"] = {key: value for key, value in fields["metadata"].items() if isinstance(value, str)}
    return fields | cut | {"truncated": bool(cut)}


def cluster_view(row: ClusterRow) -> ClusterView:
    """A cluster for callers."""
    return ClusterView(**_shared(row), snoozed_until=row.snoozed_until, regressed_at=row.regressed_at,
                       regressions=row.regressions, merged_into=row.merged_into, edited_fields=row.edited)  # fmt: skip


def cluster_message(row: ClusterRow, facts: Facts | None) -> bytes:
    """``clusters.<project>.<cluster>`` as JSON, below the broker's limit: evidence is shortened until it fits."""
    evidence = facts.evidence if facts else []
    for most, body, frames in ((20, EVIDENCE_BODY, 50), (20, 4096, 20), (10, 2048, 10), (3, 1024, 5)):
        shown = [_evidence(one, body, frames) for one in (evidence[:5] + evidence[5:][-(most - 5) :])[:most]]
        data = encode(Cluster(**_shared(row), evidence=shown))
        if len(data) <= MESSAGE_BYTES:
            break
    return data


def _shared(row: ClusterRow) -> dict[str, Any]:
    fields = {name: getattr(row, name) for name in _CLUSTER_FIELDS}
    return fields | {"sources": cast(list[Source], row.sources), "worded_by": worded_by(row)}


def worded_by(row: ClusterRow) -> str | None:
    """The model whose words are shown; None when title and summary are a person's or come from the evidence."""
    shown = row.worded is not None and not {"title", "summary"} <= set(row.edited)
    return row.worded.by if row.worded is not None and shown else None


_CLUSTER_FIELDS: Final = tuple(
    name for name in Cluster.__struct_fields__ if name in ClusterRow.__struct_fields__ and name not in ("v", "sources")
)


def _evidence(row: EvidenceRow, body: int, frames: int) -> Evidence:
    text = row.body.encode("utf-8", "replace")[:body].decode("utf-8", "ignore")
    url = row.metadata.get("url") or row.github_issue_url
    return Evidence(
        feedback_id=row.id,
        source=row.source,
        title=row.title,
        body=text,
        frames=row.frames[-frames:],
        exception_type=row.exception_type,
        trust=row.trust,
        created_at=row.created_at,
        url=url if isinstance(url, str) else None,
    )


def history_entry(row: dict[str, Any]) -> HistoryEntry:
    """A history row for callers."""
    names = ("id", "cluster_id", "kind", "actor", "at", "message", "details", "undone")
    return HistoryEntry(
        **{name: row[name] for name in names}, reversible=row["reverse"] is not None and not row["undone"]
    )
