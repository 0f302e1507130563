"""Asking a model, whatever serves it: the port, its answer, its failure."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec

from runner_core.metering import Tokens


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer; ``cut`` when the token limit ended it. ``used``: as the server counted it, None: it told none."""

    text: str
    cut: bool = False
    used: Tokens | None = None


class ModelFailure(Exception):
    """No answer: ``reason`` and ``action`` are for people. ``too_long``: the question is above the model's window."""

    def __init__(self, reason: str, action: str, detail: str = "", *, too_long: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.action, self.detail, self.too_long = reason, action, detail, too_long


class Purse(Protocol):
    """What one plan may use of a model, and where it is written down."""

    def allows(self) -> int | None:
        """Tokens that the project's budget still pays; None: no limit."""

    async def pay(self, used: Tokens) -> None:
        """An answer was had: it counts at once, whatever becomes of the plan."""


class Model(Protocol):
    """A model behind an endpoint. It has no tools: text in, text out."""

    name: str

    async def ask(
        self, messages: Sequence[dict[str, str]], schema: dict[str, Any], progress: Callable[[int], Awaitable[None]]
    ) -> Answered:
        """Raises ModelFailure. ``progress`` is told the number of characters received so far."""
