"""A user's token: taken by one attempt, given back only where another may come."""

import base64
import os

import pytest

from messaging.memory import MemoryBus
from runner_core.outcomes import AttemptFailed
from runner_core.secrets_box import SecretBox
from runtime.seal import Sealer
from schemas.errors import Failure, FailureClass
from schemas.projects import SealedSecret
from tests.unit.runner_core.test_prompt import NOW, task

SEALER = Sealer(os.urandom(32))


async def put(bus: MemoryBus, owner: str = "J") -> None:
    sealed = base64.b64encode(SEALER.seal(b"ghp_token", owner)).decode()
    await bus.state("secrets", SealedSecret).put("J", SealedSecret(sealed=sealed, created_at=NOW))


@pytest.mark.parametrize(("kind", "kept"), [("infrastructure", True), ("agent", True), ("gate", False), (None, False)])
async def test_a_token_is_gone_once_taken_and_back_for_a_retry(
    memory_bus: MemoryBus, kind: FailureClass | None, kept: bool
) -> None:
    await put(memory_bus)
    box = SecretBox(memory_bus, SEALER)
    assert await box.take(task(has_secret=True)) == "ghp_token"
    assert await memory_bus.state("secrets", SealedSecret).get("J") is None
    await box.give_back(task(), Failure(kind=kind, reason="r") if kind else None)
    assert (await memory_bus.state("secrets", SealedSecret).get("J") is not None) == kept


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
