"""Deleting a project: every row, and every message of it in the streams that triage reads and writes."""

import asyncio
from contextlib import aclosing
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.ports import Bus, CaughtUp
from schemas import subjects
from schemas import triage as calls_
from schemas import triage_results as results
from services.triage.calls import Desk, invalid
from services.triage.tables import (
    cluster_jobs,
    clusters,
    constraints,
    erased,
    feedback,
    history,
    memos,
    outbox,
    proposals,
)

AT_ONCE: Final = 64


async def delete_project(desk: Desk, call: calls_.ActorCall) -> results.Deleted:
    """Remove everything. Reports of the project that are under way in the stream right now are dropped too."""
    project_id = call.project_id
    if not subjects.TOKEN.match(project_id):
        raise invalid("project_id", "must be 1 to 64 of A-Z a-z 0-9 _ -")
    async with desk.grouping.lock(project_id):
        async with desk.database.write() as connection:
            await desk.database.overwrite(connection)
            reports, held = await _rows(connection, project_id)
            await connection.execute(sa.delete(erased).where(erased.c.project_id == project_id))
            await connection.execute(sa.insert(erased).values(project_id=project_id, at=desk.now()))
        desk.grouping.discard(project_id)
    await desk.database.settle()
    messages = await _messages(desk.bus, subjects.FEEDBACK, f"feedback.{project_id}.*")
    messages += await _messages(desk.bus, subjects.CLUSTERS, f"clusters.{project_id}.*")
    return results.Deleted(feedback=reports, clusters=held, messages=messages)


async def _rows(connection: AsyncConnection, project_id: str) -> tuple[int, int]:
    mine = sa.select(feedback.c.n).where(feedback.c.project_id == project_id)
    await connection.execute(sa.delete(memos).where(memos.c.n.in_(mine)))
    counts = []
    for table in (feedback, clusters, constraints, history, proposals, cluster_jobs):
        gone = await connection.execute(sa.delete(table).where(table.c.project_id == project_id))
        counts.append(gone.rowcount)
    prefix = f"clusters.{project_id}."
    await connection.execute(sa.delete(outbox).where(outbox.c.subject.startswith(prefix, autoescape=True)))
    return counts[0], counts[1]


async def _messages(bus: Bus, stream: str, subject: str) -> int:
    found: list[int] = []
    async with aclosing(bus.follow(stream, [subject])) as stored:
        async for message in stored:
            if isinstance(message, CaughtUp):
                break
            found.append(message.sequence)
    for start in range(0, len(found), AT_ONCE):
        part = found[start : start + AT_ONCE]
        await asyncio.gather(*(bus.remove(stream, sequence, erase=True) for sequence in part))
    return len(found)
