"""Small tables: outbox, cursor, constraints, history, erased projects."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from runtime.ids import new_id
from services.triage.engine import Constraints, Correction
from services.triage.tables import constraints, cursors, erased, history, outbox

FEEDBACK_CURSOR = "feedback"
Pair = tuple[str, str]


async def queue(connection: AsyncConnection, messages: Sequence[tuple[str, str, bytes]]) -> None:
    """Remember ``(subject, id, data)`` to be published after the commit."""
    if messages:
        rows = [{"subject": subject, "msg_id": msg_id, "data": data} for subject, msg_id, data in messages]
        await connection.execute(sa.insert(outbox), rows)


async def queued(connection: AsyncConnection, limit: int = 500) -> list[tuple[int, str, str, bytes]]:
    """The oldest messages still to be published: ``(n, subject, id, data)``."""
    rows = await connection.execute(sa.select(outbox).order_by(outbox.c.n).limit(limit))
    return [(row.n, row.subject, row.msg_id, row.data) for row in rows]


async def published(connection: AsyncConnection, upto: int) -> None:
    """Forget messages up to this number."""
    await connection.execute(sa.delete(outbox).where(outbox.c.n <= upto))


async def cursor(connection: AsyncConnection) -> int:
    """Sequence in FEEDBACK up to which everything is stored."""
    found = await connection.execute(sa.select(cursors.c.value).where(cursors.c.name == FEEDBACK_CURSOR))
    return found.scalar_one_or_none() or 0


async def set_cursor(connection: AsyncConnection, value: int) -> None:
    """Move the cursor."""
    changed = await connection.execute(sa.update(cursors).where(cursors.c.name == FEEDBACK_CURSOR).values(value=value))
    if changed.rowcount == 0:
        await connection.execute(sa.insert(cursors).values(name=FEEDBACK_CURSOR, value=value))


async def correct(
    connection: AsyncConnection, project_id: str, found: Correction, actor: str, now: datetime
) -> dict[str, Any]:
    """Store what a correction by a person means for ever; answers what undo needs to take it back."""
    overruled = await drop_pairs(connection, project_id, found.dropped)
    must = await add_pairs(connection, project_id, "must", found.must, actor, now)
    cannot = await add_pairs(connection, project_id, "cannot", found.cannot, actor, now)
    return {"must": must, "cannot": cannot, "overruled": overruled}


async def add_pairs(
    connection: AsyncConnection, project_id: str, kind: str, pairs: Iterable[Sequence[str]], actor: str, now: datetime
) -> list[Pair]:
    """Store constraints, those known already stay as they are; the new ones."""
    wanted = {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]}
    if not wanted:
        return []
    rows = await connection.execute(
        sa.select(constraints.c.a, constraints.c.b).where(
            constraints.c.project_id == project_id, constraints.c.kind == kind
        )
    )
    fresh = sorted(wanted - {(row.a, row.b) for row in rows})
    if fresh:
        values = [{"project_id": project_id, "kind": kind, "a": a, "b": b, "actor": actor, "at": now} for a, b in fresh]
        await connection.execute(sa.insert(constraints), values)
    return fresh


async def drop_pairs(
    connection: AsyncConnection, project_id: str, pairs: Iterable[Sequence[str]], kind: str | None = None
) -> list[tuple[str, str, str]]:
    """Forget constraints; ``(kind, a, b)`` of those that there were."""
    gone: list[tuple[str, str, str]] = []
    for a, b in sorted({(min(pair), max(pair)) for pair in pairs}):
        where = [constraints.c.project_id == project_id, constraints.c.a == a, constraints.c.b == b]
        if kind is not None:
            where.append(constraints.c.kind == kind)
        rows = await connection.execute(sa.select(constraints.c.kind).where(*where))
        gone += [(found, a, b) for found in rows.scalars()]
        await connection.execute(sa.delete(constraints).where(*where))
    return gone


async def all_constraints(connection: AsyncConnection, project_id: str) -> Constraints:
    """Everything people have said about reports of the project."""
    rows = await connection.execute(
        sa.select(constraints).where(constraints.c.project_id == project_id).order_by(constraints.c.a, constraints.c.b)
    )
    found: dict[str, list[Pair]] = {"must": [], "cannot": []}
    for row in rows:
        found[row.kind].append((row.a, row.b))
    return Constraints(must=tuple(found["must"]), cannot=tuple(found["cannot"]))


def history_row(
    project_id: str, cluster_id: str, kind: str, actor: str, now: datetime, message: str, **more: Any
) -> dict[str, Any]:
    """A history entry; ``more``: ``details``, ``reverse``."""
    return {
        "id": new_id(),
        "project_id": project_id,
        "cluster_id": cluster_id,
        "kind": kind,
        "actor": actor[:300],
        "at": now,
        "message": message,
        "details": more.get("details") or {},
        "reverse": more.get("reverse"),
        "undone": False,
    }


async def add_history(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Append to the history; it is never rewritten, but for the mark that something was undone."""
    if rows:
        await connection.execute(sa.insert(history), rows)


async def known_history(connection: AsyncConnection, ids: Sequence[str]) -> set[str]:
    """Entries that exist among the ids."""
    found: set[str] = set()
    for start in range(0, len(ids), 500):
        rows = await connection.execute(sa.select(history.c.id).where(history.c.id.in_(ids[start : start + 500])))
        found |= set(rows.scalars())
    return found


async def erased_at(connection: AsyncConnection, project_id: str) -> datetime | None:
    """When the project was deleted, if it was."""
    found = await connection.execute(sa.select(erased.c.at).where(erased.c.project_id == project_id))
    return found.scalar_one_or_none()
