"""Questions about clusters: lists, one with its reports, history, proposals, clustering jobs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from runtime.ids import new_id
from schemas import triage as calls_
from schemas import triage_results as results
from services.triage.calls import Desk, fitting, invalid, not_found
from services.triage.queries import bounded, cursor_number, suggested_titles
from services.triage.rows import ClusterRow, cluster_view, feedback_view, history_entry
from services.triage.store import clusters as cluster_store
from services.triage.store import reports
from services.triage.tables import cluster_jobs, clusters, feedback, history, proposals

DAYS = 90
ALL_AT_ONCE = 2_000  # clusters of a list without a limit; the rest by cursor


async def cluster_list(desk: Desk, call: calls_.ClusterListCall) -> results.ClusterPage:
    """Newest cluster first; an order that later reports do not disturb."""
    limit = ALL_AT_ONCE if call.limit is None else bounded(call.limit, 1000)
    where = _wanted(call)
    statement = sa.select(clusters).where(*where).order_by(clusters.c.created_at.desc(), clusters.c.id.desc())
    if call.cursor is not None:
        moment, id_ = _position(call.cursor)
        same = sa.and_(clusters.c.created_at == moment, clusters.c.id < id_)
        statement = statement.where(sa.or_(clusters.c.created_at < moment, same))
    async with desk.database.read() as connection:
        total = (await connection.execute(sa.select(sa.func.count()).select_from(clusters).where(*where))).scalar_one()
        rows = [cluster_store.row_of(row) for row in (await connection.execute(statement.limit(limit + 1))).mappings()]
    views = fitting([cluster_view(row) for row in rows[:limit]])
    last = rows[len(views) - 1] if views and len(rows) > len(views) else None
    next_cursor = f"{last.created_at.isoformat()}|{last.id}" if last else None
    return results.ClusterPage(items=views, total=total, next_cursor=next_cursor, project_id=call.project_id)


def _position(cursor: str) -> tuple[datetime, str]:
    moment, _, id_ = cursor.partition("|")
    try:
        return datetime.fromisoformat(moment).astimezone(UTC), id_
    except ValueError:
        raise invalid("cursor", "this is not a cursor of this list; begin without one") from None


def _wanted(call: calls_.ClusterListCall) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = [
        clusters.c.project_id == call.project_id,
        clusters.c.merged_into.is_(None),
        clusters.c["count"] >= max(1, call.min_count),
    ]
    if call.status is not None:
        where.append(clusters.c.status == call.status)
    if call.severity is not None:
        where.append(clusters.c.severity == call.severity)
    if call.source is not None:
        held = sa.select(feedback.c.cluster_id).where(
            feedback.c.project_id == call.project_id, feedback.c.source == call.source
        )
        where.append(clusters.c.id.in_(held))
    if not call.include_snoozed:
        where.append(clusters.c.snoozed_until.is_(None))
    for word in (call.q or "").lower().split()[:10]:
        text = sa.func.lower(clusters.c.title + " " + clusters.c.summary)
        where.append(text.contains(word, autoescape=True))
    return where


async def find(connection: AsyncConnection, project_id: str, id_: str) -> ClusterRow:
    """A live cluster; one merged away leads to where it lives on. Problem 404 when there is none."""
    for _ in range(20):
        row = (await cluster_store.load(connection, project_id, [id_])).get(id_)
        if row is None:
            break
        if row.merged_into is None:
            if row.count == 0:
                break
            return row
        id_ = row.merged_into
    raise not_found("Cluster")


async def cluster_get(desk: Desk, call: calls_.ClusterGetCall) -> results.ClusterDetail:
    """One cluster with its reports. A person has seen it now: later evidence only proposes."""
    limit, before = bounded(call.limit, 1000), cursor_number(call.cursor)
    async with desk.database.read() as connection:
        row = await find(connection, call.project_id, call.id)
        statement = sa.select(feedback).where(feedback.c.cluster_id == row.id).order_by(feedback.c.n.desc())
        if before is not None:
            statement = statement.where(feedback.c.n < before)
        rows = [dict(found) for found in (await connection.execute(statement.limit(limit + 1))).mappings()]
        titles = await suggested_titles(connection, call.project_id, rows)
        timeline = await _timeline(connection, row.id, desk.now())
        proposed = await _proposals(connection, call.project_id, row.id)
    if row.seen_at is None:
        await _seen(desk, row)
    items = fitting([feedback_view(found, titles, short=True) for found in rows[:limit]], 700_000)
    more = len(rows) > len(items) and bool(items)
    shown = {name: getattr(view, name) for view in [cluster_view(row)] for name in view.__struct_fields__}
    return results.ClusterDetail(
        **shown,
        feedback_items=items,
        next_cursor=str(rows[len(items) - 1]["n"]) if more else None,
        timeline=timeline,
        proposals=proposed,
    )


async def _seen(desk: Desk, row: ClusterRow) -> None:
    async with desk.grouping.lock(row.project_id):
        engine = await desk.grouping.engine(row.project_id)
        if row.id not in engine.cluster_ids():  # merged away since it was read
            return
        async with desk.database.write() as connection:
            await connection.execute(sa.update(clusters).where(clusters.c.id == row.id).values(seen_at=desk.now()))
        engine.touch(row.id)


async def _timeline(connection: AsyncConnection, cluster_id: str, now: datetime) -> list[results.Day]:
    rows = await connection.execute(
        sa.select(sa.func.date(feedback.c.created_at).label("day"), sa.func.count().label("count"))
        .where(feedback.c.cluster_id == cluster_id, feedback.c.created_at >= now - timedelta(days=DAYS))
        .group_by(sa.text("day"))
        .order_by(sa.text("day"))
    )
    return [results.Day(day=str(day), count=count) for day, count in rows]


async def _proposals(
    connection: AsyncConnection, project_id: str, cluster_id: str | None = None
) -> list[results.Proposal]:
    into, other = clusters.alias("into_cluster"), clusters.alias("other_cluster")
    statement = (
        sa.select(proposals, into.c.title.label("into_title"), other.c.title.label("other_title"))
        .join(into, into.c.id == proposals.c.into_id)
        .join(other, other.c.id == proposals.c.other_id)
        .where(proposals.c.project_id == project_id, proposals.c.state == "open")
        .where(into.c.merged_into.is_(None), other.c.merged_into.is_(None))
        .order_by(proposals.c.score.desc(), proposals.c.id)
        .limit(200)
    )
    if cluster_id is not None:
        statement = statement.where(sa.or_(proposals.c.into_id == cluster_id, proposals.c.other_id == cluster_id))
    rows = (await connection.execute(statement)).mappings().all()
    firsts = {group[0] for row in rows for group in row["groups"] or []}
    titles = {id_: row["title"] for id_, row in (await reports.known(connection, sorted(firsts))).items()}
    return [
        results.Proposal(
            id=row["id"],
            kind=row["kind"],
            into=row["into_id"],
            other=row["other_id"],
            other_title=row["into_title"] if row["other_id"] == cluster_id else row["other_title"],
            score=row["score"],
            reasons=msgspec.convert(row["reasons"], list[results.WhyReason]),
            groups=[
                results.ProposedGroup(title=titles.get(group[0], ""), feedback_ids=group)
                for group in row["groups"] or []
            ],
            created_at=row["created_at"],
        )
        for row in rows
    ]


async def proposal_list(desk: Desk, call: calls_.PageCall) -> results.ProposalPage:
    """Open proposals of the project, best first."""
    async with desk.database.read() as connection:
        return results.ProposalPage(items=await _proposals(connection, call.project_id, call.id))


async def cluster_history(desk: Desk, call: calls_.PageCall) -> results.HistoryPage:
    """What happened to a cluster, newest first; also of one that was merged away."""
    limit, before = bounded(call.limit, 1000), cursor_number(call.cursor)
    mine = (history.c.project_id == call.project_id, history.c.cluster_id == call.id)
    statement = sa.select(history).where(*mine).order_by(history.c.n.desc()).limit(limit + 1)
    if before is not None:
        statement = statement.where(history.c.n < before)
    async with desk.database.read() as connection:
        rows = [dict(row) for row in (await connection.execute(statement)).mappings()]
        if not rows and not await cluster_store.load(connection, call.project_id, [call.id or ""]):
            raise not_found("Cluster")
    items = fitting([history_entry(row) for row in rows[:limit]])
    more = len(rows) > len(items) and bool(items)
    return results.HistoryPage(items=items, next_cursor=str(rows[len(items) - 1]["n"]) if more else None)


async def cluster_job_create(desk: Desk, call: calls_.ActorCall) -> results.ClusterJob:
    """Reports are grouped as they arrive, so a job finds nothing left; it says what was done since the last one."""
    async with desk.grouping.lock(call.project_id):
        started = desk.now()
        async with desk.database.write() as connection:
            last = await _last_job(connection, call.project_id)
            since = last.created_at if last else datetime(2000, 1, 1, tzinfo=UTC)
            counts = await _since(connection, call.project_id, since)
            job = results.ClusterJob(
                id=new_id(), project_id=call.project_id, status="succeeded", created_at=started, started_at=started,
                finished_at=desk.now(), stats=counts,
            )  # fmt: skip
            await connection.execute(sa.insert(cluster_jobs).values(**msgspec.structs.asdict(job)))
    return job


async def _since(connection: AsyncConnection, project_id: str, since: datetime) -> dict[str, int]:
    async def count(table: sa.Table, *where: Any) -> int:
        statement = sa.select(sa.func.count()).select_from(table).where(table.c.project_id == project_id, *where)
        return int((await connection.execute(statement)).scalar_one())

    fresh = await count(clusters, clusters.c.created_at > since, clusters.c.merged_into.is_(None))
    changed = await count(clusters, clusters.c.updated_at > since, clusters.c.merged_into.is_(None))
    stored = await count(feedback, feedback.c.updated_at > since, feedback.c.cluster_id.is_not(None))
    return {"clustered": stored, "new_clusters": fresh, "updated_clusters": changed - fresh}


async def _last_job(connection: AsyncConnection, project_id: str) -> results.ClusterJob | None:
    mine = sa.select(cluster_jobs).where(cluster_jobs.c.project_id == project_id)
    row = (await connection.execute(mine.order_by(cluster_jobs.c.n.desc()).limit(1))).mappings().first()
    return None if row is None else _job(row)


def _job(row: Any) -> results.ClusterJob:
    return results.ClusterJob(**{name: row[name] for name in results.ClusterJob.__struct_fields__})


async def cluster_job_list(desk: Desk, call: calls_.PageCall) -> results.ClusterJobPage:
    """Newest first."""
    limit, before = bounded(call.limit, 200), cursor_number(call.cursor)
    statement = sa.select(cluster_jobs).where(cluster_jobs.c.project_id == call.project_id)
    if before is not None:
        statement = statement.where(cluster_jobs.c.n < before)
    async with desk.database.read() as connection:
        rows = (await connection.execute(statement.order_by(cluster_jobs.c.n.desc()).limit(limit + 1))).mappings().all()
    jobs = [_job(row) for row in rows[:limit]]
    next_cursor = str(rows[limit - 1]["n"]) if len(rows) > limit else None
    return results.ClusterJobPage(jobs=jobs, project_id=call.project_id, next_cursor=next_cursor)


async def cluster_job_get(desk: Desk, call: calls_.IdCall) -> results.ClusterJob:
    """One job."""
    async with desk.database.read() as connection:
        statement = sa.select(cluster_jobs).where(
            cluster_jobs.c.id == call.id, cluster_jobs.c.project_id == call.project_id
        )
        row = (await connection.execute(statement)).mappings().first()
    if row is None:
        raise not_found("Cluster job")
    return _job(row)


async def clustering_status(desk: Desk, call: calls_.Call) -> results.ClusteringStatus:
    """Whether anything waits; stored reports always have a cluster, so what waits is still in the stream."""
    async with desk.database.read() as connection:
        left = sa.select(sa.func.count()).select_from(feedback)
        left = left.where(feedback.c.project_id == call.project_id, feedback.c.cluster_id.is_(None))
        pending = (await connection.execute(left)).scalar_one()
        last = await _last_job(connection, call.project_id)
    busy = desk.grouping.busy(call.project_id)
    return results.ClusteringStatus(
        pending_unclustered=pending,
        is_clustering=busy,
        last_job=last,
        project_id=call.project_id,
        embeddings=desk.embedder.status() if desk.embedder else None,
    )


async def health(desk: Desk, call: calls_.Nothing) -> results.Health:
    """Answered by the writing instance."""
    async with desk.database.read() as connection:
        held = (await connection.execute(sa.select(sa.func.coalesce(sa.func.max(feedback.c.n), 0)))).scalar_one()
    return results.Health(instance=desk.instance, database=desk.database.dialect, feedback=held)
