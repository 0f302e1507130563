"""Asking a model, whatever serves it: the port, its answer, its failure."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer; ``cut`` when the token limit ended it. Tokens as the server counted them, else estimated."""

    text: str
    cut: bool = False
    tokens: int = 0


class ModelFailure(Exception):
    """No answer: ``reason`` and ``action`` are for people. ``too_long``: the question is above the model's window."""

    def __init__(self, reason: str, action: str, detail: str = "", *, too_long: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.action, self.detail, self.too_long = reason, action, detail, too_long


class Model(Protocol):
    """A model behind an endpoint. It has no tools: text in, text out."""

    name: str

    async def ask(
        self, messages: Sequence[dict[str, str]], schema: dict[str, Any], progress: Callable[[int], Awaitable[None]]
    ) -> Answered:
        """Raises ModelFailure. ``progress`` is told the number of characters received so far."""
