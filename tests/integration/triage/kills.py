"""An import that kill -9 interrupts again and again, beside the same import left in peace."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from messaging.ports import BusError
from runtime.processes import Child
from schemas import subjects
from schemas.base import encode
from schemas.feedback import FeedbackItem
from schemas.triage import CallFailed
from tests.integration.triage.stack import Stack, partition, report, running
from tests.support.eventually import eventually

THINGS = ("cart", "login", "invoice", "search", "upload", "calendar", "export", "profile", "coupon", "session")
WAYS = ("times out", "shows a blank page", "loses my data", "crashes with a null pointer", "is much too slow")
PLACES = ("on the phone", "in the office", "after the update", "with two tabs open", "behind the proxy", "at night")
DETAILS = (
    "The spinner never ends and the console is empty.", "Reloading twice helps until tomorrow.",
    "Support told me to clear the cookies, that changed nothing.", "Only accounts older than a year are hit.",
    "It began on Monday.", "A colleague sees the same with another browser.", "The export file has zero bytes.",
    "The amounts are rounded to whole numbers.", "The dates are one day early.", "The button stays grey.",
)  # fmt: skip
AT_ONCE = 200


def corpus(count: int, seed: int = 11) -> list[FeedbackItem]:
    """Reports about many troubles, each told by several people in their words, some grouped by their sender."""
    rng = random.Random(seed)
    troubles = [
        (rng.choice(THINGS), rng.choice(WAYS), rng.choice(PLACES), rng.sample(DETAILS, 3), f"E{1000 + number}")
        for number in range(max(10, count // 8))
    ]
    found = []
    for number in range(count):
        thing, way, place, details, code = rng.choice(troubles)
        said = " ".join(rng.sample(details, 2))
        body = f"{said} The page says {code} in {thing}_{code.lower()}.py when the {thing} {way}."
        mark = f"{thing}-{code}" if rng.random() < 0.2 else None
        found.append(report(f"k{number}", f"The {thing} {way} {place}", body, fingerprint=mark))
    return found


def elsewhere(items: Sequence[FeedbackItem], project: str) -> list[FeedbackItem]:
    """The same reports, sent to another project."""
    return [
        report(item.external_id, item.title, item.body, fingerprint=item.fingerprint, project_id=project)
        for item in items
    ]


async def send_in_order(stack: Stack, items: Sequence[FeedbackItem]) -> None:
    """Publish quickly; posts of one connection reach the stream in the order sent."""
    for start in range(0, len(items), AT_ONCE):
        acks = [
            await stack.bus.post(subjects.feedback(item.project_id, item.source), encode(item), msg_id=item.id)
            for item in items[start : start + AT_ONCE]
        ]
        await asyncio.gather(*acks)


async def killed_again_and_again(stack: Stack, items: Sequence[FeedbackItem], log: Path, kills: int) -> int:
    """Import while triage dies by SIGKILL ``kills`` times, at moments spread over the import; returns the kills seen
    with reports still missing (a kill that comes too late proves nothing)."""
    await send_in_order(stack, items)
    useful = 0
    for turn in range(kills):
        async with _process(stack, log):
            # Every third one dies while it still reads back what its predecessor had been given.
            goal = len(items) * (turn + 1) // (kills + 2) if turn % 3 != 2 else 0
            held = await at_least(stack, goal)
            useful += held < len(items)
    async with _process(stack, log):
        await at_least(stack, len(items))
    return useful


@asynccontextmanager
async def _process(stack: Stack, log: Path) -> AsyncIterator[Child]:
    child = await stack.process(log)
    try:
        yield child
    finally:
        await child.kill()


async def at_least(stack: Stack, count: int, within: float = 240) -> int:
    """Wait until so many reports of the project are stored; how many there are."""

    async def check() -> int:
        try:
            stats = await stack.call("stats", timeout=1)
        except (BusError, CallFailed) as error:  # not up yet, or just killed
            raise AssertionError(str(error)) from error
        assert stats.total_feedback >= count
        return int(stats.total_feedback)

    return await eventually(check, within=within)


async def in_peace(stack: Stack, items: Sequence[FeedbackItem]) -> list[Any]:
    """The reports as another project stores them without any trouble."""
    async with running(stack):
        await send_in_order(stack, elsewhere(items, "quiet"))
        return await stack.stored(len(items), project="quiet", within=240)


async def equal(stack: Stack, items: Sequence[FeedbackItem]) -> None:
    """Assert: each report stored once, in order, in one cluster; and clusters equal to those of an import in peace."""
    quiet = await in_peace(stack, items)
    async with running(stack):
        found = await stack.stored(len(items), within=60)
        assert [item.external_id for item in found] == [item.external_id for item in items]
        assert all(item.cluster_id for item in found)
        total, cursor = 0, None
        while True:
            page = await stack.call("cluster_list", limit=1000, cursor=cursor)
            total, cursor = total + sum(cluster.count for cluster in page.items), page.next_cursor
            if cursor is None:
                break
        assert total == len(items)
    assert partition(found) == partition(quiet)
