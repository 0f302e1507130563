"""The table of reports."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.triage.tables import feedback, memos

T = TypeVar("T")
CHUNK: Final = 500  # values in one IN list


def chunks(values: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """The values in pieces that fit one statement."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


async def known(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Rows that exist among the ids."""
    found: dict[str, dict[str, Any]] = {}
    for part in chunks(ids):
        rows = await connection.execute(sa.select(feedback).where(feedback.c.id.in_(part)))
        found |= {row["id"]: dict(row) for row in rows.mappings()}
    return found


async def one(connection: AsyncConnection, project_id: str, id_: str) -> dict[str, Any] | None:
    """A report of the project."""
    rows = await connection.execute(
        sa.select(feedback).where(feedback.c.id == id_, feedback.c.project_id == project_id)
    )
    row = rows.mappings().first()
    return None if row is None else dict(row)


async def add(connection: AsyncConnection, rows: Sequence[dict[str, Any]], remembered: Sequence[bytes]) -> None:
    """Store new reports in the order given, each with what the engine learned from it."""
    if not rows:
        return
    # One instance writes, one transaction at a time, so the numbers are ours to give.
    last = (await connection.execute(sa.select(sa.func.coalesce(sa.func.max(feedback.c.n), 0)))).scalar_one()
    numbered = [{**row, "n": last + place} for place, row in enumerate(rows, 1)]
    await connection.execute(sa.insert(feedback), numbered)
    kept = [{"n": row["n"], "memo": memo} for row, memo in zip(numbered, remembered, strict=True) if memo]
    if kept:
        await connection.execute(sa.insert(memos), kept)


async def change(connection: AsyncConnection, id_: str, values: dict[str, Any]) -> None:
    """Set columns of one report."""
    await connection.execute(sa.update(feedback).where(feedback.c.id == id_).values(**values))


async def same_matter(connection: AsyncConnection, one_: dict[str, Any], status: str, now: datetime) -> list[str]:
    """Give all reports that their sender groups with this one the same status, but for those that a person set; the
    clusters that they are in."""
    if not one_["fingerprint"]:
        return []
    alike = [feedback.c[name] == one_[name] for name in ("project_id", "source", "fingerprint")]
    rows = await connection.execute(
        sa.select(feedback.c.id, feedback.c.cluster_id, feedback.c.edited).where(*alike, feedback.c.status != status)
    )
    found = [row for row in rows.mappings() if "status" not in row["edited"]]
    for part in chunks([row["id"] for row in found]):
        changed = sa.update(feedback).where(feedback.c.id.in_(part))
        await connection.execute(changed.values(status=status, updated_at=now))
    return list(dict.fromkeys(row["cluster_id"] for row in found if row["cluster_id"]))


async def put_in(connection: AsyncConnection, ids: Sequence[str], cluster_id: str, **values: Any) -> None:
    """Move reports to a cluster."""
    for part in chunks(ids):
        await connection.execute(
            sa.update(feedback).where(feedback.c.id.in_(part)).values(cluster_id=cluster_id, **values)
        )


async def members(connection: AsyncConnection, project_id: str, cluster_id: str) -> list[str]:
    """Report ids of a cluster in arrival order."""
    rows = await connection.execute(
        sa.select(feedback.c.id)
        .where(feedback.c.project_id == project_id, feedback.c.cluster_id == cluster_id)
        .order_by(feedback.c.n)
    )
    return list(rows.scalars())


async def page_for_engine(
    connection: AsyncConnection, project_id: str, after: int, limit: int
) -> list[tuple[int, dict[str, Any], str, bytes | None]]:
    """``(n, columns the engine reads, cluster, memo)`` in arrival order, only reports that have a cluster."""
    columns = [
        feedback.c[name] for name in ("n", "id", "source", "title", "body", "created_at", "stacktrace", "fingerprint")
    ]
    rows = await connection.execute(
        sa.select(*columns, feedback.c.cluster_id, memos.c.memo)
        .join_from(feedback, memos, memos.c.n == feedback.c.n, isouter=True)
        .where(feedback.c.project_id == project_id, feedback.c.n > after, feedback.c.cluster_id.is_not(None))
        .order_by(feedback.c.n)
        .limit(limit)
    )
    return [(row["n"], dict(row), row["cluster_id"], row["memo"]) for row in rows.mappings()]
