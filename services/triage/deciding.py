"""A person's answer to a proposal: done or refused, and remembered for ever either way."""

from typing import Any

from schemas import triage as calls_
from schemas import triage_results as results
from services.triage.calls import Desk, Problem, not_found
from services.triage.changes import Change
from services.triage.cluster_queries import find
from services.triage.corrections import correct, merge, split
from services.triage.engine import Correction, Engine
from services.triage.store import proposals, reports


async def proposal_decide(desk: Desk, call: calls_.ProposalCall) -> results.ClustersChanged:
    """Accept: merge, or split. Refuse: never proposed again; a merge's clusters stay apart, a split's together."""
    async with desk.grouping.lock(call.project_id):
        async with desk.database.read() as connection:
            row = await proposals.one(connection, call.project_id, call.id)
            if row is None:
                raise not_found("Proposal")
            if row["state"] != "open":
                raise Problem(409, "conflict", f"this proposal was {row['state']} already")
        act = _ACTS[row["kind"], call.accept]
        answer: results.ClustersChanged = await act(desk, call, row)
    return answer


async def _accept_merge(desk: Desk, call: calls_.ProposalCall, row: dict[str, Any]) -> results.ClustersChanged:
    return await merge(
        desk, call.project_id, row["into_id"], [row["other_id"]], call.actor, accepting=row["id"]
    )  # fmt: skip


async def _accept_split(desk: Desk, call: calls_.ProposalCall, row: dict[str, Any]) -> results.ClustersChanged:
    """Each group but the first leaves for a cluster of its own; reports that moved on meanwhile are left alone."""
    groups = await _still_there(desk, call.project_id, row)
    answer, made = None, []
    for group in groups[1:]:
        answer = await split(desk, call.project_id, row["into_id"], group, call.actor, accepting=row["id"])
        made += answer.others
    assert answer is not None
    return results.ClustersChanged(cluster=answer.cluster, others=made, entry=answer.entry)


async def _still_there(desk: Desk, project_id: str, row: dict[str, Any]) -> list[list[str]]:
    async with desk.database.read() as connection:
        members = set(await reports.members(connection, project_id, row["into_id"]))
    groups = [kept for group in row["groups"] or [] if (kept := [id_ for id_ in group if id_ in members])]
    if len(groups) < 2:
        raise Problem(409, "conflict", "the reports of this proposal have moved on since")
    return groups


async def _refuse_merge(desk: Desk, call: calls_.ProposalCall, row: dict[str, Any]) -> results.ClustersChanged:
    project_id = call.project_id
    async with desk.database.read() as connection:
        ours, theirs = (
            await find(connection, project_id, row["into_id"]),
            await find(connection, project_id, row["other_id"]),
        )
        mine = await reports.members(connection, project_id, ours.id)
        yours = await reports.members(connection, project_id, theirs.id)
    if ours.id == theirs.id:
        raise Problem(409, "conflict", "the two clusters are one already")

    async def write(change: Change, found: Correction, pairs: dict[str, Any]) -> str:
        await change.touch([ours.id, theirs.id])
        await proposals.decide(change.connection, row["id"], "refused")
        change.note(theirs.id, "edited", f"Kept apart from “{ours.title}”", details={"other": ours.id})
        return change.note(ours.id, "edited", f"Kept apart from “{theirs.title}”", details={"other": theirs.id},
                           reverse={**pairs, "proposal": row["id"]})  # fmt: skip

    return await correct(desk, project_id, call.actor, lambda engine: engine.cannot_link(mine[0], yours[0]), write,
                         ours.id)  # fmt: skip


async def _refuse_split(desk: Desk, call: calls_.ProposalCall, row: dict[str, Any]) -> results.ClustersChanged:
    project_id = call.project_id
    items = [id_ for group in await _still_there(desk, project_id, row) for id_ in group]

    def keep(engine: Engine) -> Correction:
        found = [engine.must_link(items[0], other) for other in items[1:]]
        return Correction(
            found[0].cluster_id,
            must=tuple(pair for one in found for pair in one.must),
            dropped=tuple(pair for one in found for pair in one.dropped),
        )

    async def write(change: Change, found: Correction, pairs: dict[str, Any]) -> str:
        await change.touch([row["into_id"]])
        await proposals.decide(change.connection, row["id"], "refused")
        return change.note(row["into_id"], "edited", f"{len(items)} reports were kept together",
                           details={"feedback_ids": items[:100]}, reverse={**pairs, "proposal": row["id"]})  # fmt: skip

    return await correct(desk, project_id, call.actor, keep, write, row["into_id"])


_ACTS = {
    ("merge", True): _accept_merge,
    ("merge", False): _refuse_merge,
    ("split", True): _accept_split,
    ("split", False): _refuse_split,
}
