"""A runner that is alive, and what it can do."""

from schemas.base import Message, Timestamp


class RunnerInfo(Message, frozen=True, kw_only=True):
    """KV ``runners`` (TTL 30 s), key ``<runner>.<instance>``: written every 5 s while the runner lives."""

    runner: str
    instance: str
    sandbox: str  # local, e2b, ecs
    agent: str  # the default one, with its version: kilocode 7.7.7
    agents: list[str] = []  # all that a fix may ask for by name
    capabilities: list[str] = []
    slots: int
    busy: int = 0
    jobs: list[str] = []
    problem: str | None = None  # why it can't take work now, with what to do
    version: str = ""
    started_at: Timestamp
    seen_at: Timestamp
