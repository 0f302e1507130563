"""How far the collector has read a polled source."""

from schemas.base import Message, Timestamp


class PollState(Message, frozen=True, kw_only=True):
    """KV ``collector``, key ``<project>.<source>.<feed>``; ``feed`` is derived from ``name`` (a repository, say).

    ``cursor`` moves only when everything before it is stored in FEEDBACK. ``last_error`` is what a person should read;
    None after a good poll. ``next_at``: when the next poll is due. ``claimed_until``: when another may take over.
    """

    project_id: str
    source: str
    name: str
    cursor: str | None = None
    polls: int = 0
    reports: int = 0  # published since the beginning
    last_reports: int = 0  # published by the last poll
    failures: int = 0  # in a row
    last_error: str | None = None
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    next_at: Timestamp | None = None
    limited_until: Timestamp | None = None  # the source told us to wait
    claimed_by: str | None = None
    claimed_until: Timestamp | None = None
