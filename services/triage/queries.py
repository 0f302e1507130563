"""Questions about reports: lists, search, counts. They change nothing and never wait for clustering."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas import triage as calls_
from schemas import triage_results as results
from services.triage.calls import Desk, fitting, invalid, not_found
from services.triage.fulltext import matching
from services.triage.rows import cluster_view, feedback_view
from services.triage.store import clusters as cluster_store
from services.triage.store import reports
from services.triage.tables import clusters, feedback


def cursor_number(cursor: str | None) -> int | None:
    """A cursor that is a row's number; Problem when it is none of ours."""
    if cursor is None:
        return None
    if not cursor.isdigit() or len(cursor) > 18:
        raise invalid("cursor", "this is not a cursor of this list; begin without one")
    return int(cursor)


def bounded(limit: int, most: int) -> int:
    """A limit inside 1..most; Problem outside."""
    if not 1 <= limit <= most:
        raise invalid("limit", f"must be between 1 and {most}")
    return limit


async def feedback_list(desk: Desk, call: calls_.FeedbackListCall) -> results.FeedbackPage:
    """Newest arrival first."""
    limit, before = bounded(call.limit, 1000), cursor_number(call.cursor)
    if call.offset < 0:
        raise invalid("offset", "must not be negative")
    where = _wanted(call, desk.database.dialect)
    async with desk.database.read() as connection:
        total = (await connection.execute(sa.select(sa.func.count()).select_from(feedback).where(*where))).scalar_one()
        statement = sa.select(feedback).where(*where).order_by(feedback.c.n.desc()).limit(limit + 1)
        if before is not None:
            statement = statement.where(feedback.c.n < before)
        elif call.offset:
            statement = statement.offset(call.offset)
        rows = [dict(row) for row in (await connection.execute(statement)).mappings()]
        titles = await suggested_titles(connection, call.project_id, rows)
    views = fitting([feedback_view(row, titles, short=True) for row in rows[:limit]])
    more = len(rows) > len(views)
    return results.FeedbackPage(
        items=views,
        total=total,
        limit=limit,
        offset=call.offset,
        next_cursor=str(rows[len(views) - 1]["n"]) if more and views else None,
        project_id=call.project_id,
    )


def _wanted(call: calls_.FeedbackListCall, dialect: str) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = [feedback.c.project_id == call.project_id]
    for name in ("source", "status", "cluster_id", "level", "environment"):
        value = getattr(call, name)
        if value is not None:
            where.append(feedback.c[name] == value)
    if call.clustered is not None:
        where.append(feedback.c.cluster_id.is_not(None) if call.clustered else feedback.c.cluster_id.is_(None))
    if call.q and call.q.strip():
        where.append(matching(call.q, dialect))
    return where


async def suggested_titles(connection: AsyncConnection, project_id: str, rows: list[dict[str, Any]]) -> dict[str, str]:
    """Titles of the clusters that the rows suggest; clusters that are gone are left out."""
    ids = list({one["cluster_id"] for row in rows for one in row["suggestions"]})
    found = await cluster_store.load(connection, project_id, ids)
    return {id_: row.title for id_, row in found.items() if row.merged_into is None}


async def feedback_get(desk: Desk, call: calls_.IdCall) -> results.FeedbackView:
    """One report, whole."""
    async with desk.database.read() as connection:
        row = await reports.one(connection, call.project_id, call.id)
        if row is None:
            raise not_found("Feedback item")
        titles = await suggested_titles(connection, call.project_id, [row])
    view = feedback_view(row, titles)
    return view if fitting([view, view], 1_900_000) else feedback_view(row, titles, short=True)


async def stats(desk: Desk, call: calls_.Call) -> results.Stats:
    """Counts of the project."""
    mine = feedback.c.project_id == call.project_id
    live = (clusters.c.project_id == call.project_id, clusters.c.merged_into.is_(None), clusters.c["count"] > 0)
    async with desk.database.read() as connection:
        sources = await connection.execute(
            sa.select(feedback.c.source, feedback.c.status, sa.func.count())
            .where(mine)
            .group_by(feedback.c.source, feedback.c.status)
        )
        statuses = await connection.execute(
            sa.select(clusters.c.status, sa.func.count()).where(*live).group_by(clusters.c.status)
        )
        counted = [tuple(row) for row in sources]
        by_status = {row[0]: row[1] for row in statuses}
    by_source: dict[str, int] = {}
    for source, _, count in counted:
        by_source[source] = by_source.get(source, 0) + count
    return results.Stats(
        total_feedback=sum(by_source.values()),
        by_source=by_source,
        total_clusters=sum(by_status.values()),
        project_id=call.project_id,
        by_status=by_status,
        open_feedback=sum(count for _, status, count in counted if status == "open"),
    )


async def quota(desk: Desk, call: calls_.QuotaCall) -> results.Quota:
    """What several projects hold together."""
    found: dict[str, int] = {}
    held = 0
    async with desk.database.read() as connection:
        for part in reports.chunks(call.project_ids):
            rows = await connection.execute(
                sa.select(feedback.c.project_id, sa.func.count())
                .where(feedback.c.project_id.in_(part))
                .group_by(feedback.c.project_id)
            )
            found |= {row[0]: row[1] for row in rows}
            counted = sa.select(sa.func.count()).select_from(clusters)
            live = counted.where(
                clusters.c.project_id.in_(part), clusters.c.merged_into.is_(None), clusters.c["count"] > 0
            )
            held += (await connection.execute(live)).scalar_one()
    return results.Quota(feedback=sum(found.values()), clusters=held, by_project=found)


async def search(desk: Desk, call: calls_.SearchCall) -> results.SearchResult:
    """Reports by full text, and the clusters whose title or summary holds all the words, or whose reports do."""
    limit = bounded(call.limit, 100)
    words = [word for word in call.q.lower().split() if word][:10]
    if not words:
        raise invalid("q", "must not be empty")
    live = [clusters.c.project_id == call.project_id, clusters.c.merged_into.is_(None), clusters.c["count"] > 0]
    text = sa.func.lower(clusters.c.title + " " + clusters.c.summary)
    async with desk.database.read() as connection:
        statement = sa.select(feedback).where(feedback.c.project_id == call.project_id)
        statement = statement.where(matching(call.q, desk.database.dialect)).order_by(feedback.c.n.desc()).limit(limit)
        rows = [dict(row) for row in (await connection.execute(statement)).mappings()]
        named = await connection.execute(
            sa.select(clusters)
            .where(*live, *(text.contains(word, autoescape=True) for word in words))
            .order_by(clusters.c.last_seen.desc())
            .limit(limit)
        )
        found = {row["id"]: cluster_store.row_of(row) for row in named.mappings()}
        ids = [row["cluster_id"] for row in rows if row["cluster_id"] and row["cluster_id"] not in found]
        found |= await cluster_store.load(connection, call.project_id, list(dict.fromkeys(ids))[:limit])
    views = fitting([feedback_view(row, {}, short=True) for row in rows], 500_000)
    shown = [cluster_view(row) for row in found.values() if row.merged_into is None]
    return results.SearchResult(feedback=views, clusters=fitting(shown[:limit], 300_000))
