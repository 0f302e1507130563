"""The table of proposals: what late evidence speaks for, until a person decides or the clusters change otherwise."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from runtime.ids import derived
from services.triage.engine import Proposal
from services.triage.store.reports import chunks, known
from services.triage.tables import clusters, constraints, feedback, proposals

Decision = Literal["open", "accepted", "refused", "overtaken"]
AT_ONCE: Final = 400  # of one batch; the engine keeps 200


def merge_row(project_id: str, one: Proposal, now: datetime) -> dict[str, Any]:
    """A merge as the engine found it, its reasons still the two reports' ids. Two clusters are proposed once."""
    return {
        "id": derived("proposal", project_id, one.into, one.other), "project_id": project_id, "kind": "merge",
        "into_id": one.into, "other_id": one.other, "score": one.score, "groups": None, "state": "open",
        "reasons": [one.item_id, one.other_item_id], "created_at": now,
    }  # fmt: skip


def split_row(
    project_id: str, cluster_id: str, groups: list[list[str]], score: float, reason: str, now: datetime
) -> dict[str, Any]:
    """A split of one cluster into groups of reports; the same groups are proposed once."""
    return {
        "id": derived("split", project_id, cluster_id, *sorted(id_ for group in groups[1:] for id_ in group)),
        "project_id": project_id, "kind": "split", "into_id": cluster_id, "other_id": cluster_id, "score": score,
        "groups": groups, "state": "open", "reasons": [{"kind": "terms", "detail": reason, "weight": score}],
        "created_at": now,
    }  # fmt: skip


async def _explain(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Name the two reports that speak for a merge by their titles."""
    merges = [row for row in rows if row["kind"] == "merge"]
    titles = await known(connection, [id_ for row in merges for id_ in row["reasons"]])
    for row in merges:
        one_, other = (titles[id_]["title"] if id_ in titles else id_ for id_ in row["reasons"])
        row["reasons"] = [{"kind": "report", "detail": f"“{one_}” resembles “{other}”", "weight": row["score"]}]


async def add(connection: AsyncConnection, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Store those not told before, whatever became of them; a new split takes the place of an older one."""
    made = {row["id"]: row for row in found[:AT_ONCE]}
    if not made:
        return []
    rows = await connection.execute(sa.select(proposals.c.id).where(proposals.c.id.in_(list(made))))
    for told in rows.scalars():
        del made[told]
    fresh = list(made.values())
    split = [row["into_id"] for row in fresh if row["kind"] == "split"]
    if split:
        older = (proposals.c.kind == "split", proposals.c.into_id.in_(split), proposals.c.state == "open")
        await connection.execute(sa.update(proposals).where(*older).values(state="overtaken"))
    if fresh:
        await _explain(connection, fresh)
        await connection.execute(sa.insert(proposals), fresh)
    return fresh


async def one(connection: AsyncConnection, project_id: str, id_: str) -> dict[str, Any] | None:
    """A proposal of the project."""
    rows = await connection.execute(
        sa.select(proposals).where(proposals.c.id == id_, proposals.c.project_id == project_id)
    )
    row = rows.mappings().first()
    return None if row is None else dict(row)


async def decide(connection: AsyncConnection, id_: str, state: Decision) -> None:
    """Close a proposal, or open it again (undo)."""
    await connection.execute(sa.update(proposals).where(proposals.c.id == id_).values(state=state))


async def overtake(connection: AsyncConnection, project_id: str) -> set[str]:
    """Close open proposals that other corrections have settled; the clusters that they concerned.

    Settled: a cluster of it lives on elsewhere, people keep the two apart, or the reports of a split have moved.
    """
    mine = (proposals.c.project_id == project_id, proposals.c.state == "open")
    rows = await connection.execute(sa.select(proposals).where(*mine))
    waiting = [dict(row) for row in rows.mappings()]
    gone = await _merged_away(connection, [row[end] for row in waiting for end in ("into_id", "other_id")])
    apart = await _kept_apart(connection, project_id)
    settled = []
    for row in waiting:
        ends = {row["into_id"], row["other_id"]}
        moved = row["kind"] == "split" and await _moved(connection, row)
        if ends & gone or moved or (row["kind"] == "merge" and frozenset(ends) in apart):
            settled.append(row)
    for row in settled:
        await decide(connection, row["id"], "overtaken")
    return {row[end] for row in settled for end in ("into_id", "other_id")} - gone


async def _merged_away(connection: AsyncConnection, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for part in chunks(list(dict.fromkeys(ids))):
        rows = await connection.execute(
            sa.select(clusters.c.id).where(clusters.c.id.in_(part), clusters.c.merged_into.is_not(None))
        )
        found |= set(rows.scalars())
    return found


async def _kept_apart(connection: AsyncConnection, project_id: str) -> set[frozenset[str]]:
    """Pairs of clusters with open proposals that a cannot-link lies between."""
    one_, other = feedback.alias("one"), feedback.alias("other")
    rows = await connection.execute(
        sa.select(one_.c.cluster_id, other.c.cluster_id)
        .select_from(constraints)
        .join(one_, one_.c.id == constraints.c.a)
        .join(other, other.c.id == constraints.c.b)
        .where(constraints.c.project_id == project_id, constraints.c.kind == "cannot")
        .distinct()
    )
    return {frozenset((row[0], row[1])) for row in rows}


async def _moved(connection: AsyncConnection, row: dict[str, Any]) -> bool:
    """Whether fewer than two groups of a proposed split still have reports in the cluster."""
    left = 0
    for group in row["groups"] or []:
        rows = await connection.execute(
            sa.select(sa.func.count())
            .select_from(feedback)
            .where(feedback.c.id.in_(group[:500]), feedback.c.cluster_id == row["into_id"])
        )
        left += rows.scalar_one() > 0
    return left < 2


async def open_counts(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, int]:
    """How many open proposals concern each cluster."""
    found: dict[str, int] = {}
    for part in chunks(ids):
        rows = await connection.execute(
            sa.select(proposals.c.into_id, proposals.c.other_id).where(
                proposals.c.state == "open", sa.or_(proposals.c.into_id.in_(part), proposals.c.other_id.in_(part))
            )
        )
        for into, other in rows:
            for id_ in {into, other} & set(part):
                found[id_] = found.get(id_, 0) + 1
    return found
