"""Waiting for a condition with a deadline instead of sleeping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")
_PAUSE_SECONDS = 0.01


@overload
async def eventually(check: Callable[[], Awaitable[T]], within: float = 5.0) -> T: ...
@overload
async def eventually(check: Callable[[], T], within: float = 5.0) -> T: ...
async def eventually(check: Callable[[], Any], within: float = 5.0) -> Any:
    """Call ``check`` until it raises no AssertionError; its value. Re-raises the last failure after ``within`` seconds.

    ``check`` may be plain or async. A check that returns False counts as failed.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            value = check()
            found = await value if inspect.isawaitable(value) else value
            assert found is not False, f"still false after {within:g} s"
        except AssertionError:
            if time.monotonic() >= deadline:
                raise
        else:
            return found
        await asyncio.sleep(_PAUSE_SECONDS)
