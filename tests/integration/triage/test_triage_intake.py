"""Reports become rows and clusters exactly once, whatever is repeated, poisoned or killed."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from schemas import subjects
from schemas.base import decode, encode
from schemas.errors import DeadLetter
from tests.integration.triage import kills
from tests.integration.triage.conftest import DATABASES
from tests.integration.triage.stack import Stack, all_of, report
from tests.support.eventually import eventually

IMPORT = int(os.environ.get("SOULCASTER_IMPORT", "1000"))  # reports of the import that is killed; 10,000 by make bench
CART = "ZeroDivisionError: division by zero"
CART_BODY = "The cart total fails when a coupon brings the rate to zero in shop/cart.py total()"


async def test_a_sentry_fingerprint_is_one_cluster_and_the_cluster_is_published(stack: Stack) -> None:
    await stack.send(*(report(f"e{n}", CART, CART_BODY, fingerprint="77", user=f"u{n % 3}") for n in range(6)))
    items = await stack.stored(6)
    assert len({item.cluster_id for item in items}) == 1
    cluster = await eventually(lambda: counted(stack, items[0].cluster_id, 6))
    assert cluster.title == CART
    assert (cluster.users_affected, cluster.sources, cluster.status) == (3, ["sentry"], "new")
    assert [one.feedback_id for one in cluster.evidence] == [item.id for item in items]
    assert "6 reports from sentry since 2026-11-20" in cluster.summary


async def counted(stack: Stack, cluster_id: str, count: int) -> object:
    found = await stack.published(cluster_id)
    assert found.count == count
    return found


async def test_fifty_deliveries_of_one_report_shuffled_and_at_once_are_one_item(stack: Stack) -> None:
    items = [report(f"d{n}", f"Trouble number {n}", "words " * n) for n in range(8)]
    deliveries = items * 50
    random.Random(7).shuffle(deliveries)
    await asyncio.gather(
        *(
            stack.bus.publish(subjects.feedback("shop", "sentry"), encode(item), msg_id=f"{item.id}.{place}")
            for place, item in enumerate(deliveries)
        )
    )
    await drained(stack, 400)
    found = await stack.stored(8)
    assert {item.id for item in found} == {item.id for item in items}
    assert sum(cluster.count for cluster in await stack.clusters()) == 8


async def drained(stack: Stack, sequence: int) -> None:
    """Wait until triage's cursor has passed a sequence of the stream: then nothing more can come of it."""

    async def check() -> None:
        items = await all_of(stack.bus, subjects.FEEDBACK, "feedback.>")
        assert items[-1].sequence >= sequence
        await stack.send(marker)
        stats = await stack.call("stats", project_id="marker")
        assert stats.total_feedback == 1

    marker = report("m", "marker", project_id="marker")
    await eventually(check, within=30)


async def test_poison_goes_to_the_dead_letters_and_healthy_reports_behind_it_go_on(stack: Stack) -> None:
    liar = report("liar", "A liar", project_id="other")
    await stack.bus.publish("feedback.shop.sentry", b"{not json", msg_id="p1")
    await stack.bus.publish("feedback.shop.sentry", encode(liar), msg_id="p2")
    await stack.bus.publish("feedback.shop.sentry", b'{"id": 5}', msg_id="p3")
    await stack.send(report("good1", "A good one"), report("good2", "Another, about something else entirely"))
    await stack.stored(2, within=5)

    async def letters() -> list[DeadLetter]:
        found = [decode(one.data, DeadLetter) for one in await all_of(stack.bus, subjects.DEAD, "dead.triage")]
        assert len(found) == 3
        return found

    reasons = " | ".join(sorted(letter.reason for letter in await eventually(letters)))
    assert "it cannot be read" in reasons
    assert "project 'other'" in reasons
    assert (await stack.call("stats", project_id="other")).total_feedback == 0


async def test_a_report_that_the_database_refuses_is_buried_alone(stack: Stack) -> None:
    refused = report("n3", "A number that no column holds", github_issue_number=2**70, source="github")
    good = [report(f"n{n}", f"A good one of kind {n}", source="github") for n in range(8) if n != 3]
    await stack.send(*good[:4], refused, *good[4:])
    found = await stack.stored(7)
    assert "n3" not in {item.external_id for item in found}

    await eventually(_one_letter(stack))


def _one_letter(stack: Stack) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        letters = [decode(one.data, DeadLetter) for one in await all_of(stack.bus, subjects.DEAD, "dead.triage")]
        assert len(letters) == 1
        assert letters[0].reason.startswith("it cannot be")

    return check


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("database_url", "count"), [(name, IMPORT if name == "sqlite" else 300) for name in DATABASES],
    indirect=["database_url"],
)  # fmt: skip
async def test_kill_9_during_an_import_loses_nothing_doubles_nothing_and_groups_alike(
    idle: Stack, tmp_path: Path, count: int
) -> None:
    items = kills.corpus(count)
    useful = await kills.killed_again_and_again(idle, items, tmp_path / "triage.log", kills=5)
    assert useful >= 3
    await kills.equal(idle, items)


async def test_a_standby_takes_over_when_the_writer_is_killed(idle: Stack, tmp_path: Path) -> None:
    writer = await idle.process(tmp_path / "writer.log")
    await idle.send(report("a1", "First"))
    await kills.at_least(idle, 1)
    standby = await idle.process(tmp_path / "standby.log")
    await eventually(lambda: "lease.standby" in (tmp_path / "standby.log").read_text(), within=20)
    await writer.kill()
    try:
        await idle.send(report("a2", "Second, quite unlike"))
        await kills.at_least(idle, 2)
        assert len(await idle.stored(2)) == 2
    finally:
        await standby.stop()


async def test_an_update_changes_the_report_and_a_duplicate_does_not(stack: Stack) -> None:
    first = report("g1", "Old title", source="github", received_at=report("x9", "").received_at)
    await stack.send(first)
    await stack.stored(1)
    newer = report("g1", "New title", source="github", event="updated", status="closed",
                   received_at=report("x20", "").received_at)  # fmt: skip
    late = report("g1", "Older still", source="github", event="updated", received_at=report("x3", "").received_at)
    for place, item in enumerate([newer, late, first]):
        await stack.bus.publish("feedback.shop.github", encode(item), msg_id=f"u{place}")

    async def updated() -> None:
        found = await stack.call("feedback_get", id=first.id)
        assert (found.title, found.status) == ("New title", "closed")

    await eventually(updated)
    await stack.send(report("z1", "A marker of another kind"))
    await stack.stored(2)
    assert (await stack.call("feedback_get", id=first.id)).title == "New title"
