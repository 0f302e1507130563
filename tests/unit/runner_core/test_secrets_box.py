"""A user's token: opened by each attempt, renewed while one runs, deleted by nobody here."""

import asyncio
import base64
import os

import pytest

from messaging.memory import MemoryBus
from runner_core.outcomes import AttemptFailed
from runner_core.secrets_box import SecretBox
from runtime.seal import Sealer
from schemas.projects import SealedSecret
from tests.support.eventually import eventually
from tests.unit.runner_core.test_prompt import NOW, task

SEALER = Sealer(os.urandom(32))


async def put(bus: MemoryBus, owner: str = "J") -> None:
    sealed = base64.b64encode(SEALER.seal(b"ghp_token", owner)).decode()
    await bus.state("secrets", SealedSecret).put("J", SealedSecret(sealed=sealed, created_at=NOW))


async def test_a_token_stays_for_the_attempt_after_a_killed_one(memory_bus: MemoryBus) -> None:
    await put(memory_bus)
    for _ in range(2):
        assert await SecretBox(memory_bus, SEALER).take(task(has_secret=True)) == "ghp_token"


async def test_a_token_is_renewed_while_an_attempt_runs_and_never_brought_back(memory_bus: MemoryBus) -> None:
    await put(memory_bus)
    state, box = memory_bus.state("secrets", SealedSecret), SecretBox(memory_bus, SEALER)
    await box.take(task(has_secret=True))
    first = await state.get("J")
    assert first is not None
    keeping = asyncio.create_task(box.keep(every=0.01))

    async def renewed() -> None:
        entry = await state.get("J")
        assert entry is not None
        assert entry.revision > first.revision + 1
        assert entry.value == first.value

    await eventually(renewed)
    await state.delete("J")
    await asyncio.wait_for(keeping, 30)
    assert await state.get("J") is None


async def test_a_job_without_a_token_needs_none(memory_bus: MemoryBus) -> None:
    assert await SecretBox(memory_bus, None).take(task()) is None


async def test_a_token_that_is_gone_or_unreadable_is_named(memory_bus: MemoryBus) -> None:
    with pytest.raises(AttemptFailed, match="no longer held"):
        await SecretBox(memory_bus, SEALER).take(task(has_secret=True))
    await put(memory_bus, owner="another job")
    with pytest.raises(AttemptFailed, match="cannot be opened"):
        await SecretBox(memory_bus, SEALER).take(task(has_secret=True))
    with pytest.raises(AttemptFailed, match="SOULCASTER_SECRET_KEY is not set"):
        await SecretBox(memory_bus, None).take(task(has_secret=True))
