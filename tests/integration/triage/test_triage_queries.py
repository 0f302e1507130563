"""Lists, search, export, import, deletion, advice: over real rows, with limits and cursors that hold."""

from pathlib import Path
from typing import Any

import pytest

from schemas import subjects
from schemas.base import encode
from schemas.triage import CallFailed
from tests.integration.triage.stack import Stack, all_of, partition, report, running
from tests.support.eventually import eventually


async def test_pages_are_newest_first_complete_and_stable_under_inserts(stack: Stack) -> None:
    await stack.send(*(report(f"p{n}", f"Problem {n}", "x" * 20_000, source="manual") for n in range(60)))
    await stack.stored(60)
    first = await stack.call("feedback_list", limit=25)
    assert (first.total, first.items[0].external_id) == (60, "p59")
    await stack.send(report("late", "A late one about nothing known", source="manual"))
    await eventually(lambda: total(stack, 61))
    seen = [item.external_id for item in first.items]
    cursor = first.next_cursor
    while cursor:
        page = await stack.call("feedback_list", limit=25, cursor=cursor)
        seen += [item.external_id for item in page.items]
        cursor = page.next_cursor
    assert seen == [f"p{n}" for n in reversed(range(60))]
    offset = await stack.call("feedback_list", limit=5, offset=1)
    assert [item.external_id for item in offset.items] == ["p59", "p58", "p57", "p56", "p55"]
    assert offset.items[0].truncated
    assert len((await stack.call("feedback_get", id=offset.items[0].id)).body) == 20_000


async def total(stack: Stack, count: int) -> None:
    assert (await stack.call("stats")).total_feedback == count


async def test_a_thousand_huge_reports_fit_their_replies(stack: Stack) -> None:
    await stack.send(*(report(f"h{n}", "Huge " * 50, "\u00e9" * 60_000, fingerprint="H") for n in range(40)))
    await stack.stored(40)
    page = await stack.call("feedback_list", limit=1000)
    assert page.next_cursor is None or len(page.items) < 40
    detail = await stack.call("cluster_get", id=page.items[0].cluster_id, limit=1000)
    assert detail.count == 40
    assert detail.timeline[0].count >= 1


@pytest.mark.parametrize(
    ("operation", "fields", "field"),
    [
        ("feedback_list", {"limit": 0}, "limit"),
        ("feedback_list", {"limit": 1001}, "limit"),
        ("feedback_list", {"cursor": "x; DROP TABLE"}, "cursor"),
        ("feedback_list", {"offset": -1}, "offset"),
        ("cluster_list", {"cursor": "yesterday"}, "cursor"),
        ("export", {"cursor": '["feedback",["x"]]'}, "cursor"),
        ("search", {"q": "  "}, "q"),
    ],
)
async def test_bad_parameters_name_their_field(stack: Stack, operation: str, fields: dict, field: str) -> None:
    with pytest.raises(CallFailed) as caught:
        await stack.call(operation, **fields)
    assert (caught.value.error.status, caught.value.error.errors[0].field) == (422, field)


async def test_bad_calls_are_answered_not_dropped(stack: Stack) -> None:
    for subject, body, status in [
        ("triage.stats", b"{", 400),
        ("triage.stats", b"{}", 422),
        ("triage.stats", b'{"project_id": 5}', 422),
        ("triage.nosuch", b"{}", 404),
    ]:
        assert f'"status":{status}'.encode() in await stack.bus.request(subject, body, timeout=5)


async def test_full_text_finds_whole_words_beginnings_and_nothing_by_syntax(stack: Stack) -> None:
    await stack.send(
        report("f1", "Coupon breaks the total", "NullPointerException in CartService.applyCoupon"),
        report("f2", "Login loops", "redirect after oauth"),
        report("f3", "Überweisung schlägt fehl", "IBAN wird abgelehnt", source="manual"),
    )
    await stack.stored(3)
    for question, expected in [
        ("coupon", {"f1"}),
        ("coup", {"f1"}),
        ("OAUTH redirect", {"f2"}),
        ("überweisung", {"f3"}),
        ('" OR 1=1 --', set()),
        ("NEAR(", set()),
        ("total:* & !x", set()),
        ("***", set()),
    ]:
        page = await stack.call("feedback_list", q=question)
        assert {item.external_id for item in page.items} == expected, question
    found = await stack.call("search", q="oauth")
    assert [item.external_id for item in found.feedback] == ["f2"]
    assert found.clusters[0].id == found.feedback[0].cluster_id
    assert {i.external_id for i in (await stack.call("feedback_list", source="manual")).items} == {"f3"}


async def test_an_edited_report_is_found_by_its_new_words_and_keeps_them(stack: Stack) -> None:
    first = report("e1", "Old words", source="github")
    await stack.send(first)
    await stack.stored(1)
    await stack.call("feedback_update", id=first.id, changes={"title": "Entirely renamed", "status": "closed"})
    assert (await stack.call("feedback_list", q="renamed")).total == 1
    assert (await stack.call("feedback_list", q="old")).total == 0
    newer = report("e1", "From the source", source="github", event="updated", received_at=report("x40", "").received_at)
    await stack.bus.publish("feedback.shop.github", encode(newer), msg_id="n1")
    await stack.send(report("z", "Marker of the end"))
    await stack.stored(2)
    assert (await stack.call("feedback_get", id=first.id)).title == "Entirely renamed"


async def exported(stack: Stack, project: str) -> list[str]:
    lines: list[str] = []
    cursor = None
    while True:
        page = await stack.call("export", project_id=project, limit=7, cursor=cursor)
        lines += page.lines
        cursor = page.next_cursor
        if cursor is None:
            return lines


async def test_an_exported_project_comes_back_whole_in_another_and_a_repeat_changes_nothing(idle: Stack) -> None:
    async with running(idle):
        await idle.send(
            *(report(f"x{n}", f"Thing {n % 4} fails", f"text {n % 4}", fingerprint=str(n % 4)) for n in range(20))
        )
        items = await idle.stored(20)
        await idle.call("cluster_edit", id=items[0].cluster_id, changes={"title": "Named", "status": "resolved"})
        await idle.call("cluster_split", id=items[1].cluster_id, feedback_ids=[items[1].id])
        lines = await exported(idle, "shop")
        done = await idle.call("import", project_id="copy", lines=[*lines, "{broken", '{"kind":"what"}'])
        assert (done.feedback, done.skipped, len(done.errors)) == (20, 0, 2)
        assert done.errors[0].field == f"lines[{len(lines) + 1}]"
        again = await idle.call("import", project_id="copy", lines=lines)
        assert (again.feedback, again.skipped, again.clusters, again.constraints) == (0, 20, 0, 0)
        copies = await idle.everything("copy")
        assert partition(copies) == partition(await idle.everything())
        named = [one for one in await idle.clusters("copy") if one.title == "Named"]
        assert [one.status for one in named] == ["resolved"]
    async with running(idle):
        await idle.send(report("x50", "Thing 2 fails", "text 2", fingerprint="2", project_id="copy"))
        after = {item.external_id: item.cluster_id for item in await idle.stored(21, project="copy")}
        assert after["x50"] == after["x2"]
        assert after["x1"] != after["x5"]


async def test_what_people_said_about_clusters_survives_an_import_sent_in_parts(stack: Stack) -> None:
    names = ("Printer jams", "Login loops", "Invoice lacks tax")
    await stack.send(*(report(f"x{n}", names[n % 3], fingerprint=str(n % 3)) for n in range(6)))
    items = await stack.stored(6)
    one, two, three = (item.cluster_id for item in items[:3])
    repo = "https://github.com/acme/shop"
    await stack.call("cluster_edit", id=one, changes={"title": "Named", "github_repo_url": repo})
    await stack.call("cluster_edit", id=two, changes={"status": "dismissed", "reason": "not ours"})
    await stack.call("cluster_edit", id=three, changes={"snooze_more": 3})
    lines = await exported(stack, "shop")
    made = [await stack.call("import", project_id="copy", lines=[line]) for line in lines[:3]]
    assert (sum(one.clusters for one in made), await stack.clusters("copy")) == (3, [])
    assert (await stack.call("stats", project_id="copy")).total_clusters == 0
    for line in lines[3:]:
        await stack.call("import", project_id="copy", lines=[line])
    assert spoken(await stack.clusters("copy")) == spoken(await stack.clusters())
    again = [await stack.call("import", project_id="copy", lines=[line]) for line in lines]
    assert [one.clusters for one in again] == [0] * len(lines)
    assert spoken(await stack.clusters("copy")) == spoken(await stack.clusters())


def spoken(clusters: list[Any]) -> set[tuple[Any, ...]]:
    """What people said about each cluster, and how many reports it has."""
    return {
        (one.title, one.status, one.github_repo_url, one.dismissed_reason, one.snoozed_until, one.count)
        for one in clusters
    }


async def test_a_deleted_project_leaves_no_trace_and_another_stays(stack: Stack) -> None:
    await stack.send(*(report(f"k{n}", f"Kept {n}", project_id="other") for n in range(2)))
    await stack.send(*(report(f"x{n}", f"Secret {n}") for n in range(5)))
    await stack.stored(5)
    await stack.stored(2, project="other")
    gone = await stack.call("delete_project")
    assert gone.feedback == 5
    assert await all_of(stack.bus, subjects.FEEDBACK, "feedback.shop.*") == []
    assert await all_of(stack.bus, subjects.CLUSTERS, "clusters.shop.*") == []
    assert (await stack.call("stats")).total_feedback == 0
    assert (await stack.call("feedback_list", q="secret")).total == 0
    assert (await stack.call("stats", project_id="other")).total_feedback == 2
    await stack.send(report("y1", "A new beginning"))
    await stack.stored(1)


async def test_analyze_tells_loose_clusters_and_a_split_that_can_be_made(stack: Stack) -> None:
    body = {0: "invoice pdf lacks tax line vat amount missing", 1: "login redirect loops oauth callback state cookie"}
    await stack.send(
        *(report(f"m{n}", body[n % 2], f"{body[n % 2]} number {n}", fingerprint=f"F{n % 2}") for n in range(8))
    )
    items = await stack.stored(8)
    if len({item.cluster_id for item in items}) > 1:
        await stack.call("cluster_merge", id=items[0].cluster_id, cluster_ids=[items[1].cluster_id])
    analysis = await stack.call("analyze")
    (advice,) = analysis.split_recommendations
    assert (analysis.total_clusters, advice.suggested_subcluster_count) == (1, 2)
    done = await stack.call("cluster_split", id=advice.cluster_id, feedback_ids=advice.groups[1])
    assert {done.cluster.count, done.others[0].count} == {4}
    assert (await stack.call("analyze")).split_recommendations == []


async def test_cleanup_previews_then_merges_what_reads_as_one_but_never_what_a_person_split(stack: Stack) -> None:
    text = "Upload of large photo albums stops at ninety percent with error 413"
    await stack.send(*(report(f"c{n}", text, f"{text} again", fingerprint=f"C{n % 2}") for n in range(4)))
    items = await stack.stored(4)
    if len({item.cluster_id for item in items}) == 1:
        await stack.call("cluster_split", id=items[0].cluster_id, feedback_ids=[items[1].id, items[3].id])
        preview = await stack.call("cleanup", preview=True)
        assert preview.duplicate_groups == 0
        return
    before = await stack.call("cluster_list")
    preview = await stack.call("cleanup", preview=True)
    assert (preview.duplicate_groups, preview.deleted_clusters) == (1, 0)
    assert await stack.call("cluster_list") == before
    done = await stack.call("cleanup")
    assert (done.merged_groups, done.deleted_clusters, done.remaining_clusters) == (1, 1, 1)
    await stack.call("cluster_undo", id=done.groups[0].into)
    assert len(await stack.clusters()) == 2


async def test_cluster_jobs_and_status_and_quota_answer(stack: Stack) -> None:
    await stack.send(report("q1", "One"), report("q2", "Quite another thing", project_id="two"))
    await stack.stored(1)
    await stack.stored(1, project="two")
    job = await stack.call("cluster_job_create")
    assert (job.status, job.stats["clustered"]) == ("succeeded", 1)
    assert (await stack.call("cluster_job_get", id=job.id)).id == job.id
    assert [one.id for one in (await stack.call("cluster_job_list", limit=20)).jobs] == [job.id]
    status = await stack.call("clustering_status")
    assert (status.pending_unclustered, status.last_job.id) == (0, job.id)
    held = await stack.call("quota", project_ids=["shop", "two", "none"])
    assert (held.feedback, held.by_project) == (2, {"shop": 1, "two": 1})


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_a_deleted_project_said_is_overwritten_on_the_disk(stack: Stack, tmp_path: Path) -> None:
    text = "The CANARY sings in the checkout"
    await stack.send(*(report(f"z{n}", text, f"{text} again and again", fingerprint="Z") for n in range(5)))
    items = await stack.stored(5)
    await stack.call("cluster_edit", id=items[0].cluster_id, changes={"title": "A CANARY of ours"})
    await stack.send(report("k1", "A neighbour of another project", project_id="other"))
    await stack.stored(1, project="other")
    assert _files_with(tmp_path, b"CANARY")
    await stack.call("delete_project", timeout=60)
    assert _files_with(tmp_path, b"CANARY") == []
    assert _files_with(tmp_path, b"neighbour")
    assert len((await stack.call("search", project_id="other", q="neighbour")).feedback) == 1


def _files_with(folder: Path, text: bytes) -> list[Path]:
    """Files of the database and the broker that hold the text, in any case: an index of words keeps lower case."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in found if text.lower() in path.read_bytes().lower()]
