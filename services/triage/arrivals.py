"""One project's arriving reports in one transaction: new rows, changed rows, clusters, history and messages."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from schemas.feedback import FeedbackItem
from services.triage import late
from services.triage.changes import AUTOMATIC, Change
from services.triage.database import Database
from services.triage.embeddings import Vector
from services.triage.engine import Report
from services.triage.grouping import Grouped, Grouping
from services.triage.rows import assigned_values, feedback_values, report_of
from services.triage.store import reports, work

_UPDATABLE: Final = (
    "title", "body", "raw_text", "metadata", "status", "repo", "github_repo_url", "stacktrace", "frames",
    "exception_type", "level", "environment", "release",
)  # fmt: skip


class Arrival(msgspec.Struct, frozen=True):
    """A report as the stream holds it."""

    item: FeedbackItem
    subject: str
    sequence: int
    stored_at: datetime


NO_VECTORS: Final[Mapping[str, Vector]] = {}


async def store(
    database: Database, grouping: Grouping, project_id: str, arriving: Sequence[Arrival],
    vectors: Mapping[str, Vector] = NO_VECTORS,
) -> tuple[int, str] | None:  # fmt: skip
    """Store the reports; or the sequence and the reason of one that cannot be grouped, and nothing is stored."""
    now = datetime.now(UTC)
    fresh, updates = await _news(database, project_id, arriving, now)
    if not fresh and not updates:
        return None
    rows = [feedback_values(one.item, now) for one in fresh]
    grouped = await grouping.assign(project_id, [report_of(row) for row in rows], vectors)
    if grouped.poison is not None:
        return fresh[grouped.poison.place].sequence, grouped.poison.reason
    engine = await grouping.engine(project_id)
    merges = await grouping.run(engine.proposals)
    async with database.write() as connection:
        change = Change(connection, project_id, now)
        await _group(change, rows, grouped)
        for values in updates:
            await _update(change, values)
        sizes = {row["cluster_id"]: len(engine.members(row["cluster_id"])) for row in rows}
        await late.propose(change, grouping, merges, late.grown(rows, sizes))
        await change.finish()
    return None


async def new(database: Database, project_id: str, arriving: Sequence[Arrival]) -> list[Report]:
    """What the engine will see of those that it has not seen yet."""
    now = datetime.now(UTC)
    fresh, _ = await _news(database, project_id, arriving, now)
    return [report_of(feedback_values(one.item, now)) for one in fresh]


async def _news(
    database: Database, project_id: str, arriving: Sequence[Arrival], now: datetime
) -> tuple[list[Arrival], list[dict[str, Any]]]:
    async with database.read() as connection:
        gone = await work.erased_at(connection, project_id)
        known = await reports.known(connection, list({one.item.id for one in arriving}))
    return _sorted_out([one for one in arriving if gone is None or one.stored_at > gone], known, now)


def _sorted_out(
    arriving: Sequence[Arrival], known: dict[str, dict[str, Any]], now: datetime
) -> tuple[list[Arrival], list[dict[str, Any]]]:
    """New reports, and newer states of known ones; anything else has been seen before."""
    fresh: dict[str, Arrival] = {}
    updates: dict[str, dict[str, Any]] = {}  # the newest of each: an earlier one in between is nobody's state any more
    for one in arriving:
        before = known.get(one.item.id)
        if before is None and one.item.id in fresh:
            if one.item.event == "updated":
                fresh[one.item.id] = one
        elif before is None:
            fresh[one.item.id] = one
        elif one.item.event == "updated" and (one.item.received_at or now) > before["received_at"]:
            values, held = feedback_values(one.item, now), updates.get(one.item.id)
            if held is None or values["received_at"] >= held["received_at"]:
                updates[one.item.id] = {"before": before, **values}
    return list(fresh.values()), list(updates.values())


async def _group(change: Change, rows: list[dict[str, Any]], grouped: Grouped) -> None:
    for row, found in zip(rows, grouped.assignments, strict=True):
        row |= assigned_values(found)
    await reports.add(change.connection, rows, grouped.memos)
    await change.touch([row["cluster_id"] for row in rows])
    for row, found in zip(rows, grouped.assignments, strict=True):
        if found.new:
            change.note(found.cluster_id, "created", f"Began with a report from {row['source']}: {row['title'][:200]}")
        elif row["status"] == "open":
            regressed(change, found.cluster_id, row)


def regressed(change: Change, cluster_id: str, report: dict[str, Any]) -> None:
    """New feedback on a resolved cluster reopens it and says so."""
    row = change.rows[cluster_id]
    if row.status != "resolved":
        return
    row.status, row.regressed_at, row.regressions = "new", change.now, row.regressions + 1
    message = f"Reopened: a report from {report['source']} came after it was resolved: {report['title'][:200]}"
    change.note(cluster_id, "regressed", message, details={"feedback_id": report["id"]}, actor=AUTOMATIC)


async def _update(change: Change, values: dict[str, Any]) -> None:
    before = values["before"]
    edited = set(before["edited"])
    new = {name: values[name] for name in _UPDATABLE if name not in edited}
    new["metadata"] = {**before["metadata"], **values["metadata"]}
    stamp = {"received_at": values["received_at"], "updated_at": change.now}
    await reports.change(change.connection, before["id"], new | stamp)
    if before["cluster_id"] is None:
        return
    await change.touch([before["cluster_id"]])
    if new.get("status", before["status"]) != before["status"]:
        # Comments of a closed issue, events of a resolved one: the sender closed the matter, not one message of it.
        await change.touch(await reports.same_matter(change.connection, before, new["status"], change.now))
    if before["status"] == "closed" and new.get("status") == "open":
        regressed(change, before["cluster_id"], {**before, **new})
