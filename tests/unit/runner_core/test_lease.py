"""Who holds an attempt, told by answers and by silence."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from messaging.memory import MemoryBus
from messaging.ports import Call
from runner_core.lease import Lease, Timing
from runner_core.outcomes import Outcome, Stopped
from schemas.attempts import AttemptCall, AttemptReply
from schemas.base import decode, encode
from schemas.jobs import Report, Usage
from tests.support.eventually import eventually
from tests.unit.runner_core.test_prompt import task

QUICK = Timing(beat=0.02, patience=0.4, answer=0.1, pause=0.01, finish=1.0)
Answer = Callable[[str, AttemptCall], AttemptReply]


@asynccontextmanager
async def boss(bus: MemoryBus, answer: Answer) -> AsyncIterator[list[tuple[str, AttemptCall]]]:
    """Answers calls; yields what was asked."""
    heard: list[tuple[str, AttemptCall]] = []

    async def handle(call: Call) -> bytes:
        operation = call.subject.split(".")[1]
        told = decode(call.data, AttemptCall)
        heard.append((operation, told))
        return encode(answer(operation, told))

    served = await bus.serve("attempts.*.*.*", handle)
    try:
        yield heard
    finally:
        await served.stop()


def lease(bus: MemoryBus) -> Lease:
    return Lease(bus, task(), "one", lambda: Usage(requests=3), QUICK)


def ok(operation: str, call: AttemptCall) -> AttemptReply:
    return AttemptReply(answer="ok")


@asynccontextmanager
async def held(own: Lease) -> AsyncIterator["asyncio.Task[None]"]:
    await own.claim()
    holding = asyncio.create_task(own.hold())
    try:
        yield holding
    finally:
        holding.cancel()
        await asyncio.wait({holding})


async def test_a_phase_is_told_at_once_with_the_next_heartbeat(memory_bus: MemoryBus) -> None:
    own = lease(memory_bus)
    async with boss(memory_bus, ok) as heard, held(own):
        own.enter("agent")
        await eventually(lambda: any(call.phase == "agent" for _, call in heard))
        assert heard[-1][1].usage == Usage(requests=3)


async def test_a_cancel_is_told_once_and_the_lease_is_kept(memory_bus: MemoryBus) -> None:
    own = lease(memory_bus)
    answers = {"heartbeat": AttemptReply(answer="cancel", reason="not wanted")}

    def answer(operation: str, call: AttemptCall) -> AttemptReply:
        return answers.get(operation, AttemptReply(answer="ok"))

    async with boss(memory_bus, answer) as heard, held(own) as holding:
        await asyncio.wait_for(own.told.wait(), 2.0)
        count = len(heard)
        await eventually(lambda: len(heard) > count + 2)
        assert (own.cancelled, own.lost, own.reason, holding.done()) == (True, False, "not wanted", False)


async def test_silence_loses_the_lease(memory_bus: MemoryBus) -> None:
    own = lease(memory_bus)
    async with boss(memory_bus, ok):
        await own.claim()
    await asyncio.wait_for(own.hold(), 3.0)
    assert own.lost
    assert own.gone.is_set()
    assert "no heartbeat was confirmed" in own.reason


async def test_an_answer_that_nobody_understands_loses_the_lease(memory_bus: MemoryBus) -> None:
    own = lease(memory_bus)
    async with boss(memory_bus, ok):
        await own.claim()

    async def nonsense(call: Call) -> bytes:
        return b"nonsense"

    served = await memory_bus.serve("attempts.*.*.*", nonsense)
    await asyncio.wait_for(own.hold(), 3.0)
    await served.stop()
    assert own.lost


async def test_a_short_silence_does_not(memory_bus: MemoryBus) -> None:
    own = lease(memory_bus)
    async with boss(memory_bus, ok):
        await own.claim()
    holding = asyncio.create_task(own.hold())
    await asyncio.wait({holding}, timeout=0.1)
    async with boss(memory_bus, ok) as heard:
        await eventually(lambda: len(heard) > 3)
        assert not own.lost
        holding.cancel()
        await asyncio.wait({holding})


async def test_a_lost_attempt_is_not_published(memory_bus: MemoryBus) -> None:
    own = lease(memory_bus)
    async with boss(memory_bus, lambda operation, _: AttemptReply(answer="lost" if operation == "publish" else "ok")):
        with pytest.raises(Stopped):
            await own.publish()
    assert own.lost


async def test_publish_and_finish_carry_report_and_keys_and_wait_for_an_orchestrator(memory_bus: MemoryBus) -> None:
    own = lease(memory_bus)
    own.report, own.bundle_key, own.patch_key = Report(summary="s"), "bundles/x", "patches/x"
    publishing = asyncio.create_task(own.publish())
    await asyncio.wait({publishing}, timeout=0.1)
    assert not publishing.done()
    async with boss(memory_bus, ok) as heard:
        await publishing
        assert await own.finish(Outcome("success", pr_url="http://pr", branch="b"))
    assert [(operation, call.bundle_key, call.patch_key) for operation, call in heard] == [
        ("publish", "bundles/x", "patches/x"),
        ("finish", "bundles/x", "patches/x"),
    ]
    assert heard[1][1].report == Report(summary="s")
    assert (heard[1][1].outcome, heard[1][1].pr_url) == ("success", "http://pr")


async def test_a_finish_that_nobody_hears_gives_up(memory_bus: MemoryBus) -> None:
    assert not await lease(memory_bus).finish(Outcome("failed"))
