"""Triage by hand: merge, split, move. Obeyed by later clustering for ever, told in the history, reversible."""

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas import triage as calls_
from schemas import triage_results as results
from services.triage.calls import Desk, Problem, invalid, not_found
from services.triage.changes import Change
from services.triage.cluster_queries import find
from services.triage.engine import Correction, Engine, UnknownId
from services.triage.rows import ClusterRow, cluster_view, history_entry
from services.triage.store import proposals, reports, work
from services.triage.tables import history

Act = Callable[[Engine], Correction]


async def cluster_merge(desk: Desk, call: calls_.MergeCall) -> results.ClustersChanged:
    """Make several clusters one; manual, remembered as must-link."""
    others = [id_ for id_ in dict.fromkeys(call.cluster_ids) if id_ != call.id]
    if not others:
        raise invalid("cluster_ids", "name at least one other cluster")
    async with desk.grouping.lock(call.project_id):
        return await merge(desk, call.project_id, call.id, others, call.actor)


async def merge(
    desk: Desk, project_id: str, into: str, others: Sequence[str], actor: str, *, accepting: str | None = None
) -> results.ClustersChanged:
    """The merge itself; the caller holds the project's lock. ``accepting``: the proposal that it carries out."""
    async with desk.database.read() as connection:
        target = await find(connection, project_id, into)
        gone = [await find(connection, project_id, other) for other in others]
        gone = [row for row in gone if row.id != target.id]
        moved = {row.id: await reports.members(connection, project_id, row.id) for row in gone}
    if not gone:
        raise invalid("cluster_ids", "these clusters are one already")

    async def write(change: Change, found: Correction, pairs: dict[str, Any]) -> str:
        await change.touch([target.id, *moved])
        for other, items in moved.items():
            await reports.put_in(change.connection, items, target.id, pinned=True)
            change.merged(other, target.id)
            change.note(other, "merged", f"Merged into “{target.title}”", details={"into": target.id})
        titles = ", ".join(f"“{row.title}”" for row in gone)
        before = {item: other for other, items in moved.items() for item in items}
        reverse = {"before": before, "after": dict.fromkeys(before, target.id), **pairs}
        reverse["fields"] = {row.id: _kept(row) for row in gone}
        await _accept(change, accepting, reverse)
        return change.note(target.id, "merged", f"Merged {titles} into this cluster",
                           details={"others": list(moved)}, reverse=reverse)  # fmt: skip

    return await correct(desk, project_id, actor, lambda engine: engine.merge(target.id, list(moved)), write, target.id)


async def cluster_split(desk: Desk, call: calls_.SplitCall) -> results.ClustersChanged:
    """Take reports out into a new cluster; remembered as cannot-link between the two."""
    async with desk.grouping.lock(call.project_id):
        return await split(desk, call.project_id, call.id, call.feedback_ids, call.actor, title=call.title)


async def split(
    desk: Desk, project_id: str, id_: str, feedback_ids: Sequence[str], actor: str, *, title: str | None = None,
    kind: str = "split", accepting: str | None = None,
) -> results.ClustersChanged:  # fmt: skip
    """The split itself; the caller holds the project's lock. ``accepting``: the proposal that it carries out."""
    async with desk.database.read() as connection:
        row = await find(connection, project_id, id_)
        members = await reports.members(connection, project_id, row.id)
    taken = list(dict.fromkeys(feedback_ids))
    if not taken:
        raise invalid("feedback_ids", "name at least one report")
    strangers = [item for item in taken if item not in set(members)]
    if strangers:
        raise invalid("feedback_ids", f"not in this cluster: {', '.join(strangers[:5])}")
    if len(taken) == len(members):
        raise invalid("feedback_ids", "a split must leave at least one report behind")

    async def write(change: Change, found: Correction, pairs: dict[str, Any]) -> str:
        await change.touch([row.id, found.cluster_id])
        await reports.put_in(change.connection, taken, found.cluster_id, pinned=True)
        fresh = change.rows[found.cluster_id]
        if title and title.strip():
            fresh.title, fresh.edited = title.strip()[:300], ["title"]
        fresh.seen_at = change.rows[row.id].seen_at = change.now
        what = f"{len(taken)} report{'s' if len(taken) > 1 else ''}"
        change.note(found.cluster_id, kind, f"Split off from “{row.title}” with {what}", details={"from": row.id})
        reverse = {"before": dict.fromkeys(taken, row.id), "after": dict.fromkeys(taken, found.cluster_id), **pairs}
        await _accept(change, accepting, reverse)
        return change.note(row.id, kind, f"{what} left for a new cluster",
                           details={"to": found.cluster_id, "feedback_ids": taken[:100]}, reverse=reverse)  # fmt: skip

    return await correct(desk, project_id, actor, lambda engine: engine.split(row.id, taken), write, row.id)


async def _accept(change: Change, proposal: str | None, reverse: dict[str, Any]) -> None:
    if proposal is not None:
        await proposals.decide(change.connection, proposal, "accepted")
        reverse["proposal"] = proposal


async def cluster_move(desk: Desk, call: calls_.MoveCall) -> results.ClustersChanged:
    """Move one report; it stays with the target's reports and away from those it left."""
    async with desk.grouping.lock(call.project_id):
        if call.to == "new":
            return await split(desk, call.project_id, call.id, [call.feedback_id], call.actor, kind="moved")
        async with desk.database.read() as connection:
            row = await find(connection, call.project_id, call.id)
            target = await find(connection, call.project_id, call.to)
            report = await reports.one(connection, call.project_id, call.feedback_id)
        if report is None:
            raise not_found("Feedback item")
        if report["cluster_id"] != row.id:
            raise invalid("feedback_id", "this report is not in the cluster")
        if target.id == row.id:
            raise invalid("to", "the report is in this cluster already")
        return await _move(desk, call, row, target, report)


async def _move(
    desk: Desk, call: calls_.MoveCall, row: ClusterRow, target: ClusterRow, report: dict[str, Any]
) -> results.ClustersChanged:
    item = call.feedback_id

    async def write(change: Change, found: Correction, pairs: dict[str, Any]) -> str:
        await change.touch([target.id, row.id])
        await reports.put_in(change.connection, [item], target.id, pinned=True)
        change.rows[target.id].seen_at = change.rows[row.id].seen_at = change.now
        emptied = row.count <= 1
        if emptied:
            change.merged(row.id, target.id)
        reverse = {"before": {item: row.id}, "after": {item: target.id}, "fields": {row.id: _kept(row)}, **pairs}
        said = report["title"][:200]
        came = change.note(target.id, "moved", f"“{said}” came from “{row.title}”", details={"from": row.id},
                           reverse=reverse if emptied else None)  # fmt: skip
        went = change.note(row.id, "moved", f"“{said}” went to “{target.title}”",
                           details={"to": target.id, "feedback_id": item},
                           reverse=None if emptied else reverse)  # fmt: skip
        return came if emptied else went  # undone where a person can still go

    act: Act = lambda engine: engine.move(item, target.id)  # noqa: E731 - handed on as it is
    return await correct(desk, call.project_id, call.actor, act, write, target.id)


def _kept(row: ClusterRow) -> dict[str, Any]:
    """What a cluster gets back when its end is undone."""
    names = ("title", "summary", "status", "edited", "github_repo_url", "github_pr_url", "job_id", "snoozed_until")
    return {name: getattr(row, name) for name in (*names, "dismissed_reason", "error_message")}


async def correct(desk: Desk, project_id: str, actor: str, act: Act, write: Any, main: str) -> results.ClustersChanged:
    """Engine first, then one transaction; when that fails the engine is read anew. ``write`` answers its entry's id."""
    engine = await desk.grouping.engine(project_id)
    try:
        found = await desk.grouping.run(act, engine)
        async with desk.database.write() as connection:
            change = Change(connection, project_id, desk.now(), actor)
            pairs = await work.correct(connection, project_id, found, actor, change.now)
            entry_id = await write(change, found, pairs)
            await change.touch(await proposals.overtake(connection, project_id))
            rows = await change.finish()
            entry = (await connection.execute(sa.select(history).where(history.c.id == entry_id))).mappings().one()
    except (UnknownId, ValueError) as error:
        desk.grouping.discard(project_id)
        raise Problem(409, "conflict", f"the clusters changed meanwhile; look again: {error}") from error
    except BaseException:
        desk.grouping.discard(project_id)
        raise
    await desk.outbox.try_flush()
    return changed(rows, main, dict(entry))


def changed(rows: list[ClusterRow], main: str, entry: dict[str, Any] | None = None) -> results.ClustersChanged:
    """The answer: the main cluster first."""
    views = {row.id: cluster_view(row) for row in rows}
    first = views.pop(main) if main in views else views.pop(next(iter(views)))
    return results.ClustersChanged(
        cluster=first, others=list(views.values()), entry=history_entry(entry) if entry else None
    )


async def entry_of(connection: AsyncConnection, entry_id: str) -> dict[str, Any]:
    """A history row by its id."""
    return dict((await connection.execute(sa.select(history).where(history.c.id == entry_id))).mappings().one())
