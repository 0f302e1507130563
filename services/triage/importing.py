"""Lines of an export into a project. Clusters and who is in them come back as they were; a repeat changes nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from runtime.ids import derived
from schemas import triage as calls_
from schemas import triage_results as results
from schemas.clusters import ClusterStatus
from schemas.feedback import FeedbackItem
from services.triage import arrivals
from services.triage.arrivals import Arrival
from services.triage.calls import Desk
from services.triage.changes import Change
from services.triage.embeddings import Vector
from services.triage.rows import ClusterRow, Worded, feedback_values
from services.triage.store import clusters as cluster_store
from services.triage.store import reports, work
from services.triage.tables import erased


class ReportLine(FeedbackItem, frozen=True, kw_only=True):
    """``kind`` feedback; without ``cluster_id`` it is grouped like an arriving report."""

    cluster_id: str | None = None
    score: float | None = None
    reasons: list[dict[str, Any]] = msgspec.field(default_factory=list)
    pinned: bool = False


class ClusterLine(msgspec.Struct, kw_only=True):
    """``kind`` cluster: what a person or a job gave it; everything else follows from its reports."""

    id: str
    created_at: datetime
    title: str = ""
    summary: str = ""
    status: ClusterStatus = "new"
    edited: list[str] = msgspec.field(default_factory=list)
    github_repo_url: str | None = None
    github_pr_url: str | None = None
    dismissed_reason: str | None = None
    snoozed_until: int | None = None
    seen_at: datetime | None = None
    merged_into: str | None = None
    worded: Worded | None = None


class LinkLine(msgspec.Struct, kw_only=True):
    """``kind`` constraint: two reports as ``[source, external_id]``."""

    link: str
    a: tuple[str, str] | None = None
    b: tuple[str, str] | None = None
    actor: str = "import"


class HistoryLine(msgspec.Struct, kw_only=True):
    """``kind`` history."""

    id: str
    cluster_id: str
    event: str
    actor: str
    at: datetime
    message: str
    details: dict[str, Any] = msgspec.field(default_factory=dict)


class _Kind(msgspec.Struct):
    kind: str


_LINES: Final[dict[str, Any]] = {
    "feedback": ReportLine,
    "cluster": ClusterLine,
    "constraint": LinkLine,
    "history": HistoryLine,
}
_KEPT: Final = (
    "title", "summary", "status", "edited", "github_repo_url", "github_pr_url", "dismissed_reason", "snoozed_until",
    "seen_at", "created_at", "worded",
)  # fmt: skip


def parse(lines: list[str]) -> tuple[dict[str, list[Any]], list[results.FieldError]]:
    """The lines by kind, and what is wrong with the others (numbered from 1)."""
    found: dict[str, list[Any]] = {kind: [] for kind in _LINES}
    errors: list[results.FieldError] = []
    for number, text in enumerate(lines, 1):
        try:
            kind = msgspec.json.decode(text, type=_Kind).kind
            if kind not in _LINES:
                raise msgspec.ValidationError(f"kind must be one of {', '.join(_LINES)}")
            found[kind].append(msgspec.json.decode(text, type=_LINES[kind]))
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
            errors.append(results.FieldError(field=f"lines[{number}]", reason=str(error)[:500]))
    return found, errors


def cluster_key(project_id: str, id_: str) -> str:
    """The id of an imported cluster in its new project: the same for the same line, different from the old one's."""
    return "c" + derived("imported", project_id, id_)[:16].lower()


def item_key(project_id: str, source: str, external_id: str) -> str:
    """A report's id in the new project."""
    return derived("feedback", project_id, source, external_id)


async def import_(desk: Desk, call: calls_.ImportCall) -> results.ImportResult:
    """Take lines in; those that are wrong are told, the others are stored."""
    found, errors = parse(call.lines)
    project_id = call.project_id
    items = {item_key(project_id, line.source, line.external_id): line for line in found["feedback"]}
    vectors = await _vectors(desk, project_id, items)
    async with desk.grouping.lock(project_id):
        async with desk.database.read() as connection:
            known = await reports.known(connection, list(items))
            homes = await _homes(desk, project_id, found, items, connection)
        fresh = {key: line for key, line in items.items() if key not in known}
        settled = {key: line for key, line in fresh.items() if line.cluster_id}
        clusters_made, links = await _write(desk, call, found, settled, homes)
        desk.grouping.discard(project_id)
        errors += await _group(desk, project_id, _loose(desk, project_id, fresh), vectors)
    await desk.outbox.try_flush()
    return results.ImportResult(
        feedback=len(fresh),
        clusters=clusters_made,
        constraints=links,
        skipped=len(items) - len(fresh),
        errors=errors,
    )


def _loose(desk: Desk, project_id: str, lines: dict[str, ReportLine]) -> list[Arrival]:
    return [
        Arrival(_moved(project_id, key, line), "", place, desk.now())
        for place, (key, line) in enumerate(lines.items())
        if not line.cluster_id
    ]


async def _vectors(desk: Desk, project_id: str, items: dict[str, ReportLine]) -> Mapping[str, Vector]:
    if desk.embedder is None:
        return arrivals.NO_VECTORS
    new = await arrivals.new(desk.database, project_id, _loose(desk, project_id, items))
    return await desk.embedder.vectors(new)


async def _homes(
    desk: Desk, project_id: str, found: dict[str, list[Any]], items: dict[str, ReportLine], connection: Any
) -> dict[str, str]:
    """Old cluster id -> id here. Lines of this very project keep theirs while the cluster is here."""
    old = {line.id for line in found["cluster"]} | {line.cluster_id for line in items.values() if line.cluster_id}
    old |= {line.cluster_id for line in found["history"]}
    here = await cluster_store.load(connection, project_id, sorted(old))
    return {id_: id_ if id_ in here else cluster_key(project_id, id_) for id_ in old}


async def _write(
    desk: Desk,
    call: calls_.ImportCall,
    found: dict[str, list[Any]],
    settled: dict[str, ReportLine],
    homes: dict[str, str],
) -> tuple[int, int]:
    """Clusters, settled reports, constraints and history in one transaction; counts of clusters and constraints."""
    project_id, now = call.project_id, desk.now()
    async with desk.database.write() as connection:
        await connection.execute(sa.delete(erased).where(erased.c.project_id == project_id))
        change = Change(connection, project_id, now, call.actor)
        lines = {homes[line.id]: line for line in found["cluster"] if line.merged_into is None}
        touched = {homes[line.cluster_id or ""] for line in settled.values()}
        before = await cluster_store.load(connection, project_id, sorted({*touched, *lines}))
        rows = [_row(project_id, key, line, homes, now) for key, line in settled.items()]
        await reports.add(connection, rows, [b""] * len(rows))
        await change.touch(sorted(touched | {id_ for id_ in lines if id_ in before and before[id_].count}))
        for id_ in change.rows.keys() & lines.keys() - before.keys():
            for name in _KEPT:
                setattr(change.rows[id_], name, getattr(lines[id_], name))
        await change.finish()
        waiting = await _wait(connection, project_id, {k: v for k, v in lines.items() if k not in before | change.rows})
        links = await _links(connection, call, found["constraint"], now)
        await _past(connection, project_id, found["history"], homes)
    return len(change.rows.keys() - before.keys()) + waiting, links


async def _wait(connection: Any, project_id: str, lines: dict[str, ClusterLine]) -> int:
    """Keep what was said about clusters whose reports are in lines still to come: an import is sent in parts.

    Without reports a cluster is shown nowhere.
    """
    rows = [
        ClusterRow(id=id_, project_id=project_id, updated_at=line.created_at, **{n: getattr(line, n) for n in _KEPT})
        for id_, line in lines.items()
    ]
    await cluster_store.save(connection, rows, [])
    return len(rows)


def _row(project_id: str, key: str, line: ReportLine, homes: dict[str, str], now: datetime) -> dict[str, Any]:
    values = feedback_values(_moved(project_id, key, line), now)
    home = homes[line.cluster_id or ""]
    return values | {"cluster_id": home, "score": line.score, "reasons": line.reasons, "pinned": line.pinned}


def _moved(project_id: str, key: str, line: ReportLine) -> FeedbackItem:
    fields = {name: getattr(line, name) for name in FeedbackItem.__struct_fields__}
    return FeedbackItem(**{**fields, "id": key, "project_id": project_id, "event": "created"})


async def _links(connection: Any, call: calls_.ImportCall, lines: list[LinkLine], now: datetime) -> int:
    count = 0
    for kind in ("must", "cannot"):
        pairs = [
            (item_key(call.project_id, *line.a), item_key(call.project_id, *line.b))
            for line in lines
            if line.link == kind and line.a and line.b
        ]
        count += len(await work.add_pairs(connection, call.project_id, kind, pairs, call.actor, now))
    return count


async def _past(connection: Any, project_id: str, lines: list[HistoryLine], homes: dict[str, str]) -> None:
    rows = []
    for line in lines:
        row = work.history_row(project_id, homes[line.cluster_id], line.event, line.actor, line.at, line.message,
                               details=line.details)  # fmt: skip
        rows.append({**row, "id": derived("imported", project_id, line.id)})
    known = await work.known_history(connection, [row["id"] for row in rows])
    await work.add_history(connection, [row for row in rows if row["id"] not in known])


async def _group(
    desk: Desk, project_id: str, arriving: list[Arrival], vectors: Mapping[str, Vector]
) -> list[results.FieldError]:
    """Group loose reports; the ones that cannot be are told."""
    errors: list[results.FieldError] = []
    while arriving:
        try:
            poison = await arrivals.store(desk.database, desk.grouping, project_id, arriving, vectors)
        except BaseException:
            desk.grouping.discard(project_id)
            raise
        if poison is None:
            break
        desk.grouping.discard(project_id)
        errors.append(results.FieldError(field=arriving[0].item.external_id, reason=poison[1]))
        arriving = [one for one in arriving if one.sequence != poison[0]]
    return errors
