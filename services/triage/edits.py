"""Edits by hand of one cluster or one report, and undo."""

from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from schemas import triage as calls_
from schemas import triage_results as results
from services.triage.calls import Desk, Problem, invalid, not_found
from services.triage.changes import Change
from services.triage.cluster_queries import find
from services.triage.corrections import changed, entry_of
from services.triage.queries import suggested_titles
from services.triage.rows import ClusterRow, cluster_view, feedback_view
from services.triage.store import proposals, reports, work
from services.triage.tables import history


class ClusterEdit(msgspec.Struct, kw_only=True):
    """The fields of a cluster that a person may write; absent ones stay."""

    title: str | msgspec.UnsetType = msgspec.UNSET
    summary: str | msgspec.UnsetType | None = msgspec.UNSET
    github_repo_url: str | msgspec.UnsetType | None = msgspec.UNSET
    status: Literal["new", "resolved", "dismissed"] | msgspec.UnsetType = msgspec.UNSET
    dismissed_reason: str | msgspec.UnsetType | None = msgspec.UNSET
    snooze_more: int | msgspec.UnsetType | None = msgspec.UNSET
    reason: str | msgspec.UnsetType = msgspec.UNSET


class FeedbackEdit(msgspec.Struct, kw_only=True):
    """The fields of a report that a person may write; absent ones stay."""

    title: str | msgspec.UnsetType = msgspec.UNSET
    body: str | msgspec.UnsetType = msgspec.UNSET
    raw_text: str | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    repo: str | msgspec.UnsetType | None = msgspec.UNSET
    github_repo_url: str | msgspec.UnsetType | None = msgspec.UNSET
    status: Literal["open", "closed"] | msgspec.UnsetType = msgspec.UNSET


def read(changes: dict[str, Any], type_: type[msgspec.Struct]) -> dict[str, Any]:
    """The changes that were given, checked; Problem 422 names the field."""
    try:
        found = msgspec.convert(changes, type_)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise invalid(path.strip("`$.") or "changes", reason) from error
    given = {name: value for name in type_.__struct_fields__ if (value := getattr(found, name)) is not msgspec.UNSET}
    for name, value in given.items():
        if isinstance(value, str):
            given[name] = value = value.replace("\x00", " ").encode("utf-8", "replace").decode()
            if len(value) > 65536:
                raise invalid(name, "must not be longer than 65536 characters")
    if "title" in given and not given["title"].strip():
        raise invalid("title", "must not be empty")
    return given


async def cluster_edit(desk: Desk, call: calls_.EditCall) -> results.ClusterView:
    """Title, summary, repository, status, snooze; what a person wrote survives automatic updates."""
    given = read(call.changes, ClusterEdit)
    more = given.get("snooze_more")
    if more is not None and not 1 <= more <= 1_000_000:
        raise invalid("snooze_more", "must be between 1 and 1000000 further reports, or null to end the snooze")
    async with desk.grouping.lock(call.project_id):
        async with desk.database.write() as connection:
            row = await find(connection, call.project_id, call.id)
            change = Change(connection, call.project_id, desk.now(), call.actor)
            await change.touch([row.id])
            target = change.rows[row.id]
            before = {name: getattr(target, name) for name in _REVERSIBLE}
            if not given or not _apply(change, target, given, before):
                return cluster_view(row)
            rows = await change.finish()
        engine = await desk.grouping.engine(call.project_id)
        if row.id in engine.cluster_ids():
            engine.touch(row.id)
    await desk.outbox.try_flush()
    return cluster_view(rows[0])


_REVERSIBLE = ("title", "summary", "github_repo_url", "status", "dismissed_reason", "snoozed_until", "edited")


def _apply(change: Change, row: ClusterRow, given: dict[str, Any], before: dict[str, Any]) -> bool:
    """Set the fields, note what happened; whether anything changed."""
    row.seen_at = change.now
    for name in ("title", "summary", "github_repo_url"):
        if name in given:
            value = given[name].strip() if isinstance(given[name], str) else given[name]
            setattr(row, name, value or ("" if name == "summary" else None))
            row.edited = sorted({*row.edited, name})
    if given.get("github_repo_url", "x") is None:
        row.edited = [name for name in row.edited if name != "github_repo_url"]
    if "status" in given:
        row.status = given["status"]
        row.error_message = given.get("reason") if given["status"] == "new" else None
        row.snoozed_until = None if given["status"] != "new" else row.snoozed_until
    if "dismissed_reason" in given or given.get("status") in ("new", "resolved"):
        row.dismissed_reason = given.get("dismissed_reason")
    if "snooze_more" in given:
        row.snoozed_until = None if given["snooze_more"] is None else row.count + given["snooze_more"]
    after = {name: getattr(row, name) for name in _REVERSIBLE}
    different = [name for name in _REVERSIBLE if before[name] != after[name] and name != "edited"]
    if different or before["edited"] != after["edited"]:
        kind, message = _told(row, before, different)
        message += f": {given['reason']}" if given.get("reason") else ""
        details = {name: {"before": before[name], "after": after[name]} for name in different}
        change.note(row.id, kind, message, details=details, reverse={"fields": {row.id: before}})
        return True
    return False


def _told(row: ClusterRow, before: dict[str, Any], different: list[str]) -> tuple[str, str]:
    if "status" in different:
        why = f": {row.dismissed_reason}" if row.status == "dismissed" and row.dismissed_reason else ""
        kinds = {"resolved": "resolved", "dismissed": "dismissed", "new": "reopened"}
        words = {"resolved": "Resolved", "dismissed": f"Dismissed{why}", "new": "Reopened"}
        return kinds[row.status], words[row.status]
    if "snoozed_until" in different:
        until = row.snoozed_until
        return "snoozed", f"Snoozed until it has {until} reports" if until else "The snooze was ended"
    return "edited", f"Changed {', '.join(name.replace('_', ' ') for name in different) or 'nothing visible'}"


async def feedback_update(desk: Desk, call: calls_.EditCall) -> results.FeedbackView:
    """What a person wrote survives later updates from the source."""
    given = read(call.changes, FeedbackEdit)
    if given.get("raw_text", "x") is None:
        given["raw_text"] = ""
    if len(msgspec.json.encode(given.get("metadata", {}))) > 32768:
        raise invalid("metadata", "must not be larger than 32 KiB")
    async with desk.grouping.lock(call.project_id), desk.database.write() as connection:
        row = await reports.one(connection, call.project_id, call.id)
        if row is None:
            raise not_found("Feedback item")
        if given:
            now = desk.now()
            edited = sorted({*row["edited"], *given})
            await reports.change(connection, call.id, {**given, "edited": edited, "updated_at": now})
            if row["cluster_id"]:
                change = Change(connection, call.project_id, now, call.actor)
                await change.touch([row["cluster_id"]])
                await change.finish()
        found = await reports.one(connection, call.project_id, call.id)
        assert found is not None
        titles = await suggested_titles(connection, call.project_id, [found])
    await desk.outbox.try_flush()
    return feedback_view(found, titles)


async def cluster_undo(desk: Desk, call: calls_.UndoCall) -> results.ClustersChanged:
    """Take back the newest manual change of the cluster, or the one named. Its reports go back where they were."""
    async with desk.grouping.lock(call.project_id):
        async with desk.database.write() as connection:
            entry = await _undoable(connection, call)
            change = Change(connection, call.project_id, desk.now(), call.actor)
            await _take_back(change, entry)
            note = change.note(
                entry["cluster_id"], "undone", f"Undone: {entry['message']}", details={"entry": entry["id"]}
            )
            await connection.execute(sa.update(history).where(history.c.id == entry["id"]).values(undone=True))
            done = await change.finish()
            told = await entry_of(connection, note)
        desk.grouping.discard(call.project_id)  # read anew: the constraints that went and came back are all in SQL
    await desk.outbox.try_flush()
    return changed(done, entry["cluster_id"], told)


async def _undoable(connection: Any, call: calls_.UndoCall) -> dict[str, Any]:
    """The entry to take back; of a cluster that has ended, one of the cluster that it lives on in."""
    live = await find(connection, call.project_id, call.id)
    mine = [history.c.project_id == call.project_id, history.c.cluster_id == live.id]
    statement = sa.select(history).where(*mine, history.c.reverse.is_not(None), history.c.undone.is_(False))
    if call.entry_id is not None:
        statement = statement.where(history.c.id == call.entry_id)
    row = (await connection.execute(statement.order_by(history.c.n.desc()).limit(1))).mappings().first()
    if row is None:
        raise Problem(409, "nothing_to_undo", "no change by hand of this cluster is left to undo")
    return dict(row)


async def _take_back(change: Change, entry: dict[str, Any]) -> None:
    reverse = entry["reverse"]
    before, after = reverse.get("before", {}), reverse.get("after", {})
    now_at = await reports.known(change.connection, list(before))
    moved = [item for item in before if item in now_at and now_at[item]["cluster_id"] == after[item]]
    if before and not moved:
        raise Problem(409, "conflict", "its reports have been moved on since; undo the later change first")
    await change.touch([entry["cluster_id"], *(before[item] for item in moved), *(after[item] for item in moved)])
    for target in dict.fromkeys(before[item] for item in moved):
        items = [item for item in moved if before[item] == target]
        await reports.put_in(change.connection, items, target, pinned=False)
    await _restore_pairs(change, reverse)
    await _ask_again(change, reverse.get("proposal"))
    for id_, fields in reverse.get("fields", {}).items():
        await change.touch([id_])
        _put_back(change.rows[id_], fields)
    await _empty(change, moved, before, after)


async def _ask_again(change: Change, proposal: str | None) -> None:
    """A proposal whose answer is taken back waits for an answer again, as long as its clusters are there."""
    row = None if proposal is None else await proposals.one(change.connection, change.project_id, proposal)
    if row is not None:
        ends = (row["into_id"], row["other_id"])
        await change.touch(ends)
        if all(change.rows[id_].merged_into is None for id_ in ends):
            await proposals.decide(change.connection, row["id"], "open")


async def _empty(change: Change, moved: list[str], before: dict[str, str], after: dict[str, str]) -> None:
    """A cluster that only the undone change had made lives on where its reports went."""
    for made in dict.fromkeys(after[item] for item in moved):
        left = await reports.members(change.connection, change.project_id, made)
        if not left:
            change.merged(made, next(before[item] for item in moved if after[item] == made))


def _put_back(row: ClusterRow, fields: dict[str, Any]) -> None:
    """The job of a cluster may have gone on since: its state is newer than what is put back."""
    for name, value in fields.items():
        if name == "status" and (row.status in ("fixing", "pr_opened") or value in ("fixing", "pr_opened", "failed")):
            continue
        setattr(row, name, value)


async def _restore_pairs(change: Change, reverse: dict[str, Any]) -> None:
    connection, project_id = change.connection, change.project_id
    await work.drop_pairs(connection, project_id, reverse.get("must", []), "must")
    await work.drop_pairs(connection, project_id, reverse.get("cannot", []), "cannot")
    for kind in ("must", "cannot"):
        pairs = [(a, b) for was, a, b in reverse.get("overruled", []) if was == kind]
        await work.add_pairs(connection, project_id, kind, pairs, change.actor, change.now)
