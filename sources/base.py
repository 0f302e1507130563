"""What a source module offers. A module with these two functions is a source."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from schemas.feedback import FeedbackItem

Settings = Mapping[str, Any]
"""A project's settings of one source, secrets opened.

``enabled`` (default True), ``secrets`` (list, all active: two during a rotation), and the source's filters.
"""


class Source(Protocol):
    """Both functions are pure: no clock, no network, no environment."""

    def verify(self, headers: Mapping[str, str], body: bytes, settings: Settings) -> None:
        """Check the signature or token over the raw bytes, in constant time; raises Unauthorized."""

    def normalise(
        self, payload: Any, *, project_id: str, received_at: datetime, settings: Settings
    ) -> list[FeedbackItem]:
        """The reports in a parsed payload; raises Malformed with the field, or Filtered with the reason."""
