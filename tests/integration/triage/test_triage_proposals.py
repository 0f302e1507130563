"""Late evidence proposes, a person decides, and the answer is remembered for ever."""

from typing import Any

import msgspec
import pytest

from schemas import subjects
from schemas.triage import CallFailed
from tests.integration.triage.stack import START, Stack, report, running
from tests.support.eventually import eventually
from tests.unit.triage_engine.streams import stream

SEARCH, PRINTER = "3", "4"  # topics of the stream
BLANK = "The checkout page stays blank after the coupon step, the console shows cart.total is not a function"
TAX = "PDF of an invoice lacks its tax line, VAT amount missing"


async def two_that_may_be_one(stack: Stack) -> tuple[str, str]:
    """Two clusters of their sender's making among others; a later report of the second one reads like the first."""
    for one in stream(4):
        mark = {PRINTER: "A", SEARCH: "B"}.get(one.id[0])
        await stack.send(
            report(f"r{one.id.replace('-', '')}", one.title, one.body, fingerprint=mark, created_at=one.created_at)
        )
    late = next(one for one in stream(5) if one.id == f"{PRINTER}-4")
    await stack.send(report("late1", late.title, late.body, fingerprint="B", created_at=late.created_at))
    items = {item.external_id: item for item in await stack.stored(25)}
    return items[f"r{SEARCH}0"].cluster_id, items[f"r{PRINTER}0"].cluster_id


async def one_that_may_be_two(stack: Stack) -> str:
    """A cluster from elsewhere that holds two things; one more report makes triage look."""
    lines = [{"kind": "cluster", "id": "mixed", "created_at": START}]
    for n in range(8):
        title, body = (("Checkout stays blank", BLANK), ("Invoice lacks tax", TAX))[n % 2]
        mark = {0: "M", 1: "N"}.get(n)
        fields = msgspec.to_builtins(report(f"m{n}", title, f"{body} (no. {n})", fingerprint=mark))
        lines.append({**fields, "kind": "feedback", "cluster_id": "mixed"})
    done = await stack.call("import", lines=[msgspec.json.encode(line).decode() for line in lines])
    assert (done.feedback, done.clusters, done.errors) == (8, 1, [])
    await stack.send(report("m8", "Checkout stays blank", f"{BLANK} (no. 8)", fingerprint="M"))
    items = await stack.stored(9)
    assert len({item.cluster_id for item in items}) == 1
    return str(items[0].cluster_id)


async def proposals(stack: Stack) -> list[Any]:
    return list((await stack.call("proposal_list")).items)


async def test_a_proposed_merge_is_shown_on_both_clusters_told_and_published(stack: Stack) -> None:
    one, other = await two_that_may_be_one(stack)
    (found,) = await proposals(stack)
    assert (found.kind, {found.into, found.other}) == ("merge", {one, other})
    assert found.reasons[0].detail.startswith("“Printer dialog crashes on A5 labels")
    for id_ in (one, other):
        view = await stack.call("cluster_get", id=id_)
        assert (view.proposals_open, [p.id for p in view.proposals]) == (1, [found.id])
        history = (await stack.call("cluster_history", id=id_)).items
        assert [entry.kind for entry in history][:1] == ["proposed"]

        async def published(cluster: str = id_) -> None:
            assert (await stack.published(cluster)).proposals_open == 1

        await eventually(published)
    assert {c.id: c.count for c in await stack.clusters()}.items() >= {one: 5, other: 4}.items()


async def test_an_accepted_merge_is_done_and_its_undo_asks_again(stack: Stack) -> None:
    one, _ = await two_that_may_be_one(stack)
    (found,) = await proposals(stack)
    done = await stack.call("proposal_decide", id=found.id, accept=True, actor="ann")
    assert (done.cluster.id, done.cluster.count, done.entry.actor) == (one, 9, "ann")
    assert (await proposals(stack), (await stack.call("cluster_get", id=one)).proposals_open) == ([], 0)
    with pytest.raises(CallFailed) as caught:
        await stack.call("proposal_decide", id=found.id, accept=False)
    assert caught.value.error.status == 409
    await stack.call("cluster_undo", id=one)
    assert [p.id for p in await proposals(stack)] == [found.id]
    assert (await stack.call("cluster_get", id=one)).proposals_open == 1


async def test_a_refused_merge_is_never_proposed_again_also_after_a_restart(idle: Stack) -> None:
    async with running(idle):
        one, other = await two_that_may_be_one(idle)
        (found,) = await proposals(idle)
        done = await idle.call("proposal_decide", id=found.id, accept=False)
        assert (done.cluster.proposals_open, [view.proposals_open for view in done.others]) == (0, [0])
    async with running(idle):
        late = next(item for item in stream(5) if item.id == f"{PRINTER}-4")
        await idle.send(*(report(f"d{n}", late.title, late.body, fingerprint="B") for n in range(3)))
        await idle.stored(28)
        assert await proposals(idle) == []
        assert {c.id: c.count for c in await idle.clusters()}.items() >= {one: 8, other: 4}.items()
        await idle.call("cluster_undo", id=one)
        assert [p.id for p in await proposals(idle)] == [found.id]


async def test_a_correction_that_settles_a_proposal_closes_it(stack: Stack) -> None:
    one, other = await two_that_may_be_one(stack)
    done = await stack.call("cluster_move", id=one, feedback_id=report("late1", "").id, to=other)
    assert (await proposals(stack), done.cluster.proposals_open) == ([], 0)


async def test_a_proposed_split_names_its_groups_and_is_made_when_accepted(stack: Stack) -> None:
    mixed = await one_that_may_be_two(stack)
    (found,) = await proposals(stack)
    assert (found.kind, found.into, found.other) == ("split", mixed, mixed)
    assert [(group.title, len(group.feedback_ids)) for group in found.groups] == [
        ("Checkout stays blank", 5), ("Invoice lacks tax", 4),
    ]  # fmt: skip
    assert "2 groups" in found.reasons[0].detail
    view = await stack.call("cluster_get", id=mixed)
    assert (view.count, view.proposals_open, view.proposals[0].id) == (9, 1, found.id)
    done = await stack.call("proposal_decide", id=found.id, accept=True)
    assert (done.cluster.count, [made.count for made in done.others]) == (5, [4])
    assert (done.others[0].title, done.cluster.proposals_open) == ("Invoice lacks tax", 0)
    assert await proposals(stack) == []


async def test_a_refused_split_keeps_the_reports_together_for_ever(stack: Stack) -> None:
    mixed = await one_that_may_be_two(stack)
    (found,) = await proposals(stack)
    done = await stack.call("proposal_decide", id=found.id, accept=False, actor="ann")
    assert (done.cluster.count, done.entry.actor, await proposals(stack)) == (9, "ann", [])
    await stack.send(*(report(f"n{n}", "Invoice lacks tax", f"{TAX} (no. {n})", fingerprint="N") for n in range(6)))
    await stack.stored(15)
    assert await proposals(stack) == []
    assert (await stack.call("cluster_get", id=mixed)).count == 15


async def test_a_deleted_projects_proposals_are_gone(stack: Stack) -> None:
    await two_that_may_be_one(stack)
    await stack.call("delete_project")
    assert await proposals(stack) == []
    assert await stack.bus.count(subjects.CLUSTERS, "clusters.shop.*") == 0
