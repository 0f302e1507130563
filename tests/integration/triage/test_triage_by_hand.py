"""Corrections by people: they stick, are obeyed by later reports, are told, and can be undone."""

import pytest

from schemas import subjects
from schemas.base import encode
from schemas.errors import Failure
from schemas.feedback import FeedbackItem
from schemas.jobs import JobEvent
from schemas.triage import CallFailed
from tests.integration.triage.stack import START, Stack, report, running
from tests.support.eventually import eventually

BODY = "The checkout page stays blank after the coupon step in Firefox, console shows cart.total is not a function"


async def two_clusters(stack: Stack) -> tuple[str, str]:
    """Three reports of one fingerprint, two of another; the clusters' ids."""
    await stack.send(*(report(f"a{n}", "Checkout stays blank", BODY, fingerprint="A") for n in range(3)))
    await stack.send(
        *(report(f"b{n}", "Invoice has no tax line", "The PDF lacks the tax", fingerprint="B") for n in range(2))
    )
    items = await stack.stored(5)
    return items[0].cluster_id, items[3].cluster_id


def ids(*names: str) -> list[str]:
    return [report(name, "").id for name in names]


async def kinds(stack: Stack, cluster_id: str) -> list[str]:
    page = await stack.call("cluster_history", id=cluster_id)
    return [entry.kind for entry in page.items]


async def test_a_merge_sticks_is_told_and_later_reports_follow_it(stack: Stack) -> None:
    one, other = await two_clusters(stack)
    done = await stack.call("cluster_merge", id=one, cluster_ids=[other], actor="user:ann")
    assert (done.cluster.id, done.cluster.count, done.entry.actor) == (one, 5, "user:ann")
    assert await kinds(stack, one) == ["merged", "created"]
    gone = await stack.published(other)
    assert (gone.count, gone.status, gone.dismissed_reason) == (0, "dismissed", f"merged into {one}")
    await stack.send(report("b9", "Invoice has no tax line", "again", fingerprint="B"))
    items = await stack.stored(6)
    assert {item.cluster_id for item in items} == {one}
    assert (await stack.call("cluster_get", id=other)).id == one


async def test_an_undone_merge_gives_back_both_clusters_and_forgets_the_must_link(stack: Stack) -> None:
    one, other = await two_clusters(stack)
    await stack.call("cluster_edit", id=other, changes={"title": "Tax!"})
    await stack.call("cluster_merge", id=one, cluster_ids=[other])
    done = await stack.call("cluster_undo", id=one)
    assert done.cluster.count == 3
    back = await stack.call("cluster_get", id=other)
    assert (back.count, back.title, back.status) == (2, "Tax!", "new")
    await stack.send(report("b9", "Invoice has no tax line", "again", fingerprint="B"))
    assert (await stack.stored(6))[-1].cluster_id == other
    assert "undone" in await kinds(stack, one)
    with pytest.raises(CallFailed) as caught:
        await stack.call("cluster_undo", id=one)
    assert caught.value.error.status == 409


async def test_a_split_is_obeyed_for_ever_also_after_a_restart(idle: Stack) -> None:
    async with running(idle):
        one, _ = await two_clusters(idle)
        done = await idle.call("cluster_split", id=one, feedback_ids=ids("a2"), title="Another thing")
        (made,) = done.others
        assert (done.cluster.count, made.count, made.title) == (2, 1, "Another thing")
    async with running(idle):
        await idle.send(report("a8", "Checkout stays blank", BODY, fingerprint="A"))
        items = {item.external_id: item.cluster_id for item in await idle.stored(6)}
        assert items["a0"] == items["a1"] == one
        assert items["a2"] == made.id
        undone = await idle.call("cluster_undo", id=one)
        assert undone.cluster.count >= 3
        gone = await idle.published(made.id)
        assert gone.count in (0, 1)  # the later report may have joined the split-off cluster


async def test_a_moved_report_stays_where_a_person_put_it(stack: Stack) -> None:
    one, other = await two_clusters(stack)
    done = await stack.call("cluster_move", id=one, feedback_id=ids("a1")[0], to=other)
    assert (done.cluster.id, done.cluster.count, done.others[0].count) == (other, 3, 2)
    moved = await stack.call("feedback_get", id=ids("a1")[0])
    assert (moved.cluster_id, moved.pinned) == (other, True)
    await stack.call("cluster_undo", id=one)
    assert (await stack.call("feedback_get", id=ids("a1")[0])).cluster_id == one
    alone = await stack.call("cluster_move", id=one, feedback_id=ids("a0")[0], to="new")
    assert alone.others[0].count == 1


async def test_the_last_report_may_leave_and_its_cluster_leads_to_where_it_went(stack: Stack) -> None:
    await stack.send(
        report("s1", "Alone in the dark", fingerprint="S"), report("t1", "Many words of tea", fingerprint="T")
    )
    items = await stack.stored(2)
    await stack.call("cluster_move", id=items[0].cluster_id, feedback_id=items[0].id, to=items[1].cluster_id)
    assert len(await stack.clusters()) == 1
    assert (await stack.call("cluster_get", id=items[0].cluster_id)).count == 2


@pytest.mark.parametrize("at", ["where it went", "where it came from"])
async def test_the_move_of_a_last_report_is_undone_from_either_side(stack: Stack, at: str) -> None:
    await stack.send(
        report("s1", "Alone in the dark", fingerprint="S"), report("t1", "Many words of tea", fingerprint="T")
    )
    alone, other = await stack.stored(2)
    await stack.call("cluster_edit", id=alone.cluster_id, changes={"title": "Mine"})
    await stack.call("cluster_move", id=alone.cluster_id, feedback_id=alone.id, to=other.cluster_id)
    entry = (await stack.call("cluster_history", id=other.cluster_id)).items[0]
    assert (entry.kind, entry.reversible) == ("moved", True)
    await stack.call("cluster_undo", id=other.cluster_id if at == "where it went" else alone.cluster_id)
    found = {one.id: (one.title, one.count) for one in await stack.clusters()}
    assert found == {alone.cluster_id: ("Mine", 1), other.cluster_id: ("Many words of tea", 1)}


async def test_what_a_person_wrote_survives_later_reports(stack: Stack) -> None:
    one, _ = await two_clusters(stack)
    repo = "https://github.com/acme/shop"
    changes = {"title": "Blank checkout", "summary": "Ours", "github_repo_url": repo}
    view = await stack.call("cluster_edit", id=one, changes=changes)
    assert view.edited_fields == ["github_repo_url", "summary", "title"]
    await stack.send(report("a7", "Checkout stays blank", BODY, fingerprint="A", repo="evil/other"))
    await stack.stored(6)
    view = await stack.call("cluster_get", id=one)
    assert (view.title, view.summary, view.github_repo_url, view.count) == ("Blank checkout", "Ours", repo, 4)
    assert view.suggested_repo_url == "https://github.com/evil/other"
    await stack.call("cluster_undo", id=one)
    assert (await stack.call("cluster_get", id=one)).title == "Checkout stays blank"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"status": "bogus"}, "status"),
        ({"status": "fixing"}, "status"),
        ({"title": ""}, "title"),
        ({"title": None}, "title"),
        ({"summary": 5}, "summary"),
        ({"snooze_more": 0}, "snooze_more"),
        ({"title": "x" * 70_000}, "title"),
    ],
)
async def test_a_bad_edit_names_its_field_and_changes_nothing(stack: Stack, changes: dict, field: str) -> None:
    await stack.send(report("a1", "A title"))
    (item,) = await stack.stored(1)
    before = await stack.call("cluster_list")
    with pytest.raises(CallFailed) as caught:
        await stack.call("cluster_edit", id=item.cluster_id, changes={"github_repo_url": "x", **changes})
    assert (caught.value.error.status, caught.value.error.errors[0].field) == (422, field)
    assert await stack.call("cluster_list") == before
    if field == "status":
        with pytest.raises(CallFailed) as caught:
            await stack.call("feedback_update", id=item.id, changes=changes)
        assert caught.value.error.status == 422


async def test_new_feedback_on_a_resolved_cluster_reopens_it_and_says_so(stack: Stack) -> None:
    one, other = await two_clusters(stack)
    await stack.call("cluster_edit", id=one, changes={"status": "resolved"})
    await stack.call("cluster_edit", id=other, changes={"status": "dismissed", "dismissed_reason": "not ours"})
    await stack.send(report("a6", "Checkout stays blank", BODY, fingerprint="A"))
    await stack.send(report("b6", "Invoice has no tax line", "x", fingerprint="B"))
    await stack.stored(7)
    view = await stack.call("cluster_get", id=one)
    assert (view.status, view.regressions) == ("new", 1)
    assert view.regressed_at is not None
    entries = (await stack.call("cluster_history", id=one)).items
    assert entries[0].kind == "regressed"
    assert "came after it was resolved" in entries[0].message
    view = await stack.call("cluster_get", id=other)
    assert (view.status, view.dismissed_reason, view.count) == ("dismissed", "not ours", 3)


async def test_a_snooze_ends_after_so_many_more_reports(stack: Stack) -> None:
    one, _ = await two_clusters(stack)
    view = await stack.call("cluster_edit", id=one, changes={"snooze_more": 2})
    assert view.snoozed_until == 5
    assert len((await stack.call("cluster_list", include_snoozed=False)).items) == 1
    await stack.send(report("a5", "Checkout stays blank", BODY, fingerprint="A"))
    await stack.stored(6)
    assert (await stack.call("cluster_get", id=one)).snoozed_until == 5
    await stack.send(report("a6", "Checkout stays blank", BODY, fingerprint="A"))
    await stack.stored(7)
    assert (await stack.call("cluster_get", id=one)).snoozed_until is None


def event(n: int, status: str, job: str = "J1", **fields: object) -> JobEvent:
    values = {"n": n, "job_id": job, "project_id": "shop", "status": status, "phase": "queued", "attempt": 1}
    return JobEvent(**{**values, "runner": "sandbox_kilo", "at": START, **fields})


async def test_a_jobs_events_move_its_cluster_and_stale_ones_do_not(stack: Stack) -> None:
    one, _ = await two_clusters(stack)

    async def send(*events: JobEvent) -> None:
        for found in events:
            subject = subjects.job_status("shop", found.job_id)
            await stack.bus.publish(subject, encode(found), msg_id=f"{found.job_id}.{found.n}.{found.status}")

    async def becomes(status: str) -> object:
        async def check() -> object:
            view = await stack.published(one)
            assert view.status == status
            return view

        return await eventually(check)

    await send(event(1, "pending", cluster_id=one), event(2, "running", cluster_id=one))
    await becomes("fixing")
    failure = Failure(kind="no_changes", reason="the agent changed nothing")
    await send(event(3, "failed", cluster_id=one, failure=failure), event(2, "running", cluster_id=one))
    assert (await becomes("failed")).error_message == "the agent changed nothing"
    await send(event(1, "pending", "J2", cluster_id=one), event(2, "cancelled", "J2", cluster_id=one))
    assert (await becomes("new")).job_id == "J2"
    await send(event(1, "running", "J3", cluster_id=one), event(9, "failed", cluster_id=one))
    await becomes("fixing")
    url = "https://github.com/acme/shop/pull/5"
    await send(event(2, "success", "J3", cluster_id=one, pr_url=url))
    assert (await becomes("pr_opened")).github_pr_url == url
    await send(event(1, "running", "J4", cluster_id="nosuchcluster"))
    assert (await stack.call("cluster_get", id=one)).error_message is None


async def test_a_cluster_whose_reports_were_all_closed_at_the_source_is_resolved(stack: Stack) -> None:
    first = report("g1", "Wrong total", source="github", received_at=START)
    await stack.send(first)
    (item,) = await stack.stored(1)
    closed = report(
        "g1", "Wrong total", source="github", event="updated", status="closed", received_at=report("x5", "").received_at
    )
    await stack.bus.publish("feedback.shop.github", encode(closed), msg_id="c1")

    async def status(wanted: str) -> None:
        assert (await stack.call("cluster_get", id=item.cluster_id)).status == wanted

    await eventually(lambda: status("resolved"))
    again = report("g1", "Wrong total", source="github", event="updated", received_at=report("x9", "").received_at)
    await stack.bus.publish("feedback.shop.github", encode(again), msg_id="c2")
    await eventually(lambda: status("new"))


async def test_what_its_sender_closes_is_closed_with_all_that_belongs_to_it(stack: Stack) -> None:
    def of(name: str, **fields: object) -> FeedbackItem:
        return report(name, "Wrong total", source="github", fingerprint="acme/shop#7", **fields)

    await stack.send(of("g1"), of("comment-2"), of("comment-3"), report("g9", "Another matter", source="github"))
    items = await stack.stored(4)
    await stack.call("feedback_update", id=items[2].id, changes={"status": "open"})
    closed = of("g1", event="updated", status="closed", received_at=report("x40", "").received_at)
    await stack.bus.publish("feedback.shop.github", encode(closed), msg_id="c1")

    async def statuses(wanted: list[str]) -> None:
        assert [item.status for item in await stack.everything()] == wanted

    await eventually(lambda: statuses(["closed", "closed", "open", "open"]))  # a person keeps the third one open
    assert (await stack.call("cluster_get", id=items[0].cluster_id)).status == "new"
    await stack.call("feedback_update", id=items[2].id, changes={"status": "closed"})
    assert (await stack.call("cluster_get", id=items[0].cluster_id)).status == "resolved"
    again = of("g1", event="updated", received_at=report("x44", "").received_at)
    await stack.bus.publish("feedback.shop.github", encode(again), msg_id="c2")
    await eventually(lambda: statuses(["open", "open", "closed", "open"]))
    view = await stack.call("cluster_get", id=items[0].cluster_id)
    assert (view.status, view.regressions) == ("new", 1)


async def test_what_was_closed_and_opened_while_nobody_looked_is_open_with_all_that_belongs_to_it(idle: Stack) -> None:
    def of(name: str, **fields: object) -> FeedbackItem:
        return report(name, "Wrong total", source="github", fingerprint="acme/shop#7", **fields)

    async with running(idle):
        await idle.send(of("g1"), of("comment-2"))
        await idle.stored(2)
    for place, status in enumerate(["closed", "open"]):
        change = of("g1", event="updated", status=status, received_at=report(f"x{40 + place}", "").received_at)
        await idle.bus.publish("feedback.shop.github", encode(change), msg_id=f"c{place}")
    async with running(idle):
        await idle.send(report("z1", "A marker of another kind"))
        assert [item.status for item in await idle.stored(3)] == ["open", "open", "open"]


async def test_unknown_things_are_404_and_other_projects_see_nothing(stack: Stack) -> None:
    one, _ = await two_clusters(stack)
    for operation, fields in [
        ("cluster_get", {"id": "nope"}),
        ("cluster_get", {"id": one, "project_id": "other"}),
        ("feedback_get", {"id": ids("a1")[0], "project_id": "other"}),
        ("feedback_update", {"id": "x", "changes": {"title": "t"}}),
        ("cluster_merge", {"id": one, "cluster_ids": ["nope"]}),
        ("cluster_history", {"id": "nope"}),
        ("cluster_job_get", {"id": "nope"}),
        ("proposal_decide", {"id": "nope", "accept": True}),
    ]:
        with pytest.raises(CallFailed) as caught:
            await stack.call(operation, **fields)
        assert caught.value.error.status == 404, operation
    assert (await stack.call("cluster_list", project_id="other")).items == []
