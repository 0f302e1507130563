"""The same thing done once for all who ask for it before it begins."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

T = TypeVar("T")


class _Left(Exception):
    """Whoever was to do it was cancelled."""


class Shared(Generic[T]):
    """Answers are never older than the question: what has begun already is not joined."""

    def __init__(self) -> None:
        self._next: dict[str, asyncio.Future[T]] = {}

    async def __call__(self, key: str, turn: AbstractAsyncContextManager[None], act: Callable[[], Awaitable[T]]) -> T:
        """What ``act`` gives, done by the first who asks once ``turn`` lets it begin. Its errors reach all."""
        while (held := self._next.get(key)) is not None:
            try:
                return await asyncio.shield(held)
            except _Left:
                continue
        return await self._first(key, turn, act)

    async def _first(self, key: str, turn: AbstractAsyncContextManager[None], act: Callable[[], Awaitable[T]]) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._next[key] = future
        try:
            async with turn:
                del self._next[key]
                found = await act()
        except BaseException as error:
            if self._next.get(key) is future:
                del self._next[key]
            future.set_exception(error if isinstance(error, Exception) else _Left())
            future.exception()  # there may be nobody to retrieve it
            raise
        future.set_result(found)
        return found
