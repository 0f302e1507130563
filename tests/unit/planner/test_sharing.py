"""One look for all who asked before it began, and never an answer older than its question."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.planner.sharing import Shared
from tests.support.eventually import eventually


class Looks:
    """Counts looks; each waits for its ``gate``."""

    def __init__(self) -> None:
        self.shared: Shared[int] = Shared()
        self.lock, self.gate, self.count, self.waiting = asyncio.Lock(), asyncio.Event(), 0, 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        self.waiting += 1
        async with self.lock:
            yield

    async def look(self) -> int:
        self.count += 1
        number = self.count
        await self.gate.wait()
        if number == 13:
            raise ValueError("unlucky")
        return number

    def ask(self, key: str = "a") -> "asyncio.Task[int]":
        return asyncio.create_task(self.shared(key, self.turn(), self.look))


async def test_those_who_wait_share_the_next_look_and_not_the_one_under_way() -> None:
    looks = Looks()
    first = looks.ask()
    await eventually(lambda: looks.count == 1)
    later = [looks.ask() for _ in range(5)]
    other = looks.ask("b")
    await eventually(lambda: looks.waiting == 3)
    looks.gate.set()
    assert await first == 1
    assert await asyncio.gather(*later) == [2] * 5
    assert await other == 3


async def test_an_error_reaches_all_who_share_it_and_the_next_look_is_anew() -> None:
    looks = Looks()
    looks.count = 12
    looks.gate.set()
    async with looks.lock:
        asked = [looks.ask() for _ in range(3)]
        await eventually(lambda: looks.waiting == 1)
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert [str(error) for error in told] == ["unlucky"] * 3
    assert await looks.ask() == 14


@pytest.mark.parametrize("begun", [True, False])
async def test_when_the_first_leaves_another_looks_for_the_rest(begun: bool) -> None:
    looks = Looks()
    if not begun:
        await looks.lock.acquire()
    first = looks.ask()
    await eventually(lambda: looks.count == 1 if begun else looks.waiting == 1)
    rest = [looks.ask() for _ in range(3)]
    await eventually(lambda: looks.waiting == (2 if begun else 1))
    first.cancel()
    await asyncio.wait({first})
    assert first.cancelled()
    if not begun:
        looks.lock.release()
    looks.gate.set()
    assert len(set(await asyncio.gather(*rest))) == 1
