"""The table of clusters, and what a cluster's reports add up to."""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.feedback import Frame
from services.triage.rows import ClusterRow, EvidenceRow, Facts, Worded
from services.triage.store.reports import chunks
from services.triage.tables import clusters, feedback

OLDEST, NEWEST = 5, 15
_EVIDENCE = [feedback.c[name] for name in EvidenceRow.__struct_fields__]


def row_of(mapping: Any) -> ClusterRow:
    """A result's mapping as a ClusterRow."""
    return ClusterRow(**{**mapping, "worded": msgspec.convert(mapping["worded"], Worded | None)})


async def load(connection: AsyncConnection, project_id: str, ids: Sequence[str]) -> dict[str, ClusterRow]:
    """The rows that exist among the ids."""
    found: dict[str, ClusterRow] = {}
    for part in chunks(ids):
        rows = await connection.execute(
            sa.select(clusters).where(clusters.c.id.in_(part), clusters.c.project_id == project_id)
        )
        found |= {row["id"]: row_of(row) for row in rows.mappings()}
    return found


async def save(connection: AsyncConnection, fresh: Sequence[ClusterRow], known: Sequence[ClusterRow]) -> None:
    """Insert new rows, update known ones."""
    if fresh:
        await connection.execute(sa.insert(clusters), [msgspec.structs.asdict(row) for row in fresh])
    if known:
        names = [name for name in ClusterRow.__struct_fields__ if name not in ("id", "project_id", "created_at")]
        statement = (
            sa.update(clusters)
            .where(clusters.c.id == sa.bindparam("key"))
            .values({name: sa.bindparam(f"new_{name}") for name in names})
        )
        values = [{"key": row.id} | {f"new_{name}": getattr(row, name) for name in names} for row in known]
        await connection.execute(statement, values)


async def facts(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Facts]:
    """What the reports of each cluster add up to; clusters without reports are left out."""
    found: dict[str, Facts] = {}
    for part in chunks(ids):
        found |= await _facts(connection, part)
    return found


async def _facts(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Facts]:
    mine = feedback.c.cluster_id.in_(ids)
    totals = await connection.execute(
        sa.select(
            feedback.c.cluster_id,
            sa.func.count().label("count"),
            sa.func.sum(sa.case((feedback.c.status == "open", 1), else_=0)).label("open"),
            sa.func.count(feedback.c.user_key.distinct()).label("users"),
            sa.func.min(feedback.c.created_at).label("first_seen"),
            sa.func.max(feedback.c.created_at).label("last_seen"),
        )
        .where(mine)
        .group_by(feedback.c.cluster_id)
    )
    rows = totals.mappings().all()
    sources = await _counts(connection, mine, feedback.c.source)
    trusts = await _counts(connection, mine, feedback.c.trust)
    levels = await _counts(connection, mine, feedback.c.level)
    address = sa.func.coalesce(feedback.c.github_repo_url, sa.literal("https://github.com/") + feedback.c.repo)
    repositories = await _counts(connection, mine, address)
    named = sa.case((feedback.c.source == "manual", feedback.c.github_repo_url))
    chosen = await _counts(connection, mine, named)
    evidence = await _evidence(connection, ids)
    return {
        key: Facts(
            count=row["count"],
            open=int(row["open"]),
            users=row["users"],
            first_seen=row["first_seen"],
            last_seen=row["last_seen"],
            sources=sorted(sources.get(key, {})),
            trusts=list(trusts.get(key, {})),
            levels=levels.get(key, {}),
            repositories=repositories.get(key, {}),
            chosen=chosen.get(key, {}),
            evidence=evidence.get(key, []),
        )
        for row in rows
        for key in [row["cluster_id"]]
    }


async def _counts(
    connection: AsyncConnection, mine: sa.ColumnElement[bool], column: sa.ColumnElement[Any]
) -> dict[str, dict[str, int]]:
    rows = await connection.execute(
        sa.select(feedback.c.cluster_id, column, sa.func.count())
        .where(mine, column.is_not(None))
        .group_by(feedback.c.cluster_id, column)
    )
    found: dict[str, dict[str, int]] = {}
    for cluster_id, value, count in rows:
        found.setdefault(cluster_id, {})[value] = count
    return found


async def _evidence(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, list[EvidenceRow]]:
    def rank(order: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
        return sa.func.row_number().over(partition_by=feedback.c.cluster_id, order_by=order)

    ranked = (
        sa.select(feedback.c.n, rank(feedback.c.n).label("old"), rank(feedback.c.n.desc()).label("new"))
        .where(feedback.c.cluster_id.in_(ids))
        .subquery()
    )
    chosen = sa.select(ranked.c.n).where(sa.or_(ranked.c.old <= OLDEST, ranked.c.new <= NEWEST))
    rows = await connection.execute(sa.select(*_EVIDENCE).where(feedback.c.n.in_(chosen)).order_by(feedback.c.n))
    found: dict[str, list[EvidenceRow]] = {}
    for row in rows.mappings():
        frames = msgspec.convert(row["frames"], list[Frame])
        found.setdefault(row["cluster_id"], []).append(EvidenceRow(**{**row, "frames": frames}))
    return found
