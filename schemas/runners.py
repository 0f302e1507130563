"""A runner that is alive, and what it can do."""

from schemas.base import Message, Timestamp


class RunnerInfo(Message, frozen=True, kw_only=True):
    """KV ``runners`` (TTL 30 s), key ``<runner>.<instance>``: written every 5 s while the runner lives."""

    runner: str
    instance: str
    sandbox: str  # local, e2b, ecs
    agent: str  # kilocode 7.7.7
    capabilities: list[str] = []
    slots: int
    busy: int = 0
    jobs: list[str] = []
    problem: str | None = None  # why it can't take work now, with what to do
    version: str = ""
    started_at: Timestamp
    seen_at: Timestamp
