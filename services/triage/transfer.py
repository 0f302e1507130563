"""A project's data as JSON lines: clusters, reports, what people said, what happened. Any project can take them in."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas import triage as calls_
from schemas import triage_results as results
from schemas.base import encode
from services.triage.calls import REPLY_BYTES, Desk, invalid
from services.triage.queries import bounded
from services.triage.rows import feedback_view
from services.triage.tables import clusters, constraints, feedback, history

Place = list[str | int]
ORDER: Final = ("cluster", "feedback", "constraint", "history")
_TABLES: Final[dict[str, tuple[sa.Table, tuple[str, ...]]]] = {
    "cluster": (clusters, ("id",)),
    "feedback": (feedback, ("n",)),
    "constraint": (constraints, ("kind", "a", "b")),
    "history": (history, ("n",)),
}


async def export(desk: Desk, call: calls_.PageCall) -> results.ExportPage:
    """A page of lines: clusters first, then reports in arrival order, constraints, history."""
    limit = bounded(call.limit, 1000)
    kind, after = _place(call.cursor)
    lines: list[str] = []
    room = REPLY_BYTES
    async with desk.database.read() as connection:
        while kind is not None:
            rows = await _rows(connection, call.project_id, kind, after, limit - len(lines))
            for row, line in zip(rows, await _lines(connection, kind, rows), strict=True):
                room -= len(encode(line))  # JSON inside JSON: quotes are escaped once more
                if lines and room < 0:
                    return results.ExportPage(lines=lines, next_cursor=_cursor(kind, after))
                lines.append(line)
                after = [row[name] for name in _TABLES[kind][1]]
            if len(lines) >= limit:
                return results.ExportPage(lines=lines, next_cursor=_cursor(kind, after))
            kind, after = _next(kind), None
    return results.ExportPage(lines=lines)


def _next(kind: str) -> str | None:
    place = ORDER.index(kind) + 1
    return ORDER[place] if place < len(ORDER) else None


def _cursor(kind: str, after: Place | None) -> str:
    return msgspec.json.encode([kind, after]).decode()


def _place(cursor: str | None) -> tuple[str | None, Place | None]:
    if cursor is None:
        return ORDER[0], None
    try:
        kind, after = msgspec.json.decode(cursor, type=tuple[str, Place | None])
    except msgspec.DecodeError:
        kind, after = "", None
    numbered = kind in ("feedback", "history")
    fits = after is None or [type(part) for part in after] == [int if numbered else str] * len(
        _TABLES.get(kind, ("", ()))[1]
    )
    if kind not in _TABLES or not fits:
        raise invalid("cursor", "this is not a cursor of an export; begin without one")
    return kind, after


async def _rows(
    connection: AsyncConnection, project_id: str, kind: str, after: Place | None, limit: int
) -> list[dict[str, Any]]:
    table, names = _TABLES[kind]
    keys = [table.c[name] for name in names]
    statement = sa.select(table).where(table.c.project_id == project_id).order_by(*keys).limit(limit)
    if after is not None:
        statement = statement.where(sa.tuple_(*keys) > sa.tuple_(*after))
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def _lines(connection: AsyncConnection, kind: str, rows: Sequence[dict[str, Any]]) -> list[str]:
    if kind == "feedback":
        found = [msgspec.to_builtins(feedback_view(row)) for row in rows]
    elif kind == "constraint":
        # A constraint names its reports as their sources do: ids differ from project to project.
        names = await _names(connection, [row[end] for row in rows for end in ("a", "b")])
        found = [
            {
                "link": row["kind"],
                "a": names.get(row["a"]),
                "b": names.get(row["b"]),
                "actor": row["actor"],
                "at": row["at"],
            }
            for row in rows
        ]
    else:
        found = [
            {key: value for key, value in row.items() if key not in ("project_id", "n", "reverse")} for row in rows
        ]
        found = [_event(line) if kind == "history" else line for line in found]
    return [msgspec.json.encode({**line, "kind": kind}).decode() for line in found]


def _event(line: dict[str, Any]) -> dict[str, Any]:
    return {**line, "event": line["kind"]}


async def _names(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for start in range(0, len(ids), 500):
        rows = await connection.execute(
            sa.select(feedback.c.id, feedback.c.source, feedback.c.external_id).where(
                feedback.c.id.in_(ids[start : start + 500])
            )
        )
        found |= {row[0]: [row[1], row[2]] for row in rows}
    return found
