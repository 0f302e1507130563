"""What a feed offers the poller, and the two ways it fails."""

from collections.abc import AsyncGenerator
from typing import Any, Protocol

import msgspec


class Page(msgspec.Struct, frozen=True):
    """Payloads, and the cursor that is true once they are stored."""

    payloads: list[dict[str, Any]]
    cursor: str


class Feed(Protocol):
    """One thing to poll."""

    def pages(self, cursor: str | None) -> AsyncGenerator[Page, None]:
        """Everything after the cursor. Raises Limited and Upstream."""


class Limited(Exception):
    """The source says: not before ``wait`` seconds."""

    def __init__(self, reason: str, wait: float) -> None:
        super().__init__(reason)
        self.reason, self.wait = reason, max(1.0, min(wait, 86400.0))


class Upstream(Exception):
    """The source does not answer, or not what it documents; the reason is for a person."""
