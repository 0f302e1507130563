"""Projects, users, keys and sessions in memory, fed by a watch of KV ``projects``: no broker call per request.

A revoked key stops working on every replica as soon as the watch delivers it (milliseconds).
"""

import asyncio
from collections.abc import Iterable
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec

from messaging.ports import Bus, CaughtUp, State
from runtime import logs
from schemas import subjects
from schemas.base import Message, Timestamp
from schemas.projects import ApiKey, IdempotentAnswer, NextFollowUp, Project, User

T = TypeVar("T")
log = logs.logger("gateway.directory")

IDLE = timedelta(hours=12)
ABSOLUTE = timedelta(days=7)
IDEMPOTENT = timedelta(hours=24)


class Session(Message, frozen=True, kw_only=True):
    """KV ``projects``, key ``session.<hash of the cookie>``: a signed-in browser.

    A person signed in with GitHub has ``login`` and ``orgs`` and no ``role``: it is looked up at each request.
    """

    name: str
    role: str
    project_id: str | None = None
    key_id: str = ""
    login: str = ""
    orgs: tuple[str, ...] = ()
    created_at: Timestamp
    seen_at: Timestamp

    def alive(self, now: datetime) -> bool:
        """Idle at most 12 h, at most 7 days in all."""
        return now - self.seen_at < IDLE and now - self.created_at < ABSOLUTE

    def seen(self, now: datetime) -> "Session":
        """The session, used again."""
        return msgspec.structs.replace(self, seen_at=now)


class Shelf(Generic[T]):
    """All values below one prefix of the bucket, as the watch last told."""

    def __init__(self, state: State[T], prefix: str) -> None:
        self.state, self.prefix = state, prefix
        self.values: dict[str, T] = {}
        self.ready = asyncio.Event()

    def key(self, name: str) -> str:
        """The bucket key of a name."""
        return subjects.key(self.prefix, name)

    async def run(self) -> None:
        """Follow the bucket until cancelled."""
        async with aclosing(self.state.watch(self.prefix)) as changes:
            async for entry in changes:
                if isinstance(entry, CaughtUp):
                    self.ready.set()
                    continue
                name = entry.key.partition(".")[2]
                if entry.value is None:
                    self.values.pop(name, None)
                else:
                    self.values[name] = entry.value

    async def find(self, name: str) -> T | None:
        """The value in memory, else in the bucket (another replica may have written it a moment ago)."""
        if name in self.values:
            return self.values[name]
        entry = await self.state.get(self.key(name))
        return entry.value if entry else None

    async def create(self, name: str, value: T) -> None:
        """Store a new value; raises Conflict."""
        await self.state.create(self.key(name), value)
        self.values[name] = value

    async def put(self, name: str, value: T) -> None:
        """Store a value, whatever was there."""
        await self.state.put(self.key(name), value)
        self.values[name] = value

    async def drop(self, name: str) -> None:
        """Remove a value."""
        await self.state.delete(self.key(name))
        self.values.pop(name, None)


class Directory:
    """The shelves the gateway owns."""

    def __init__(self, bus: Bus) -> None:
        self.projects: Shelf[Project] = Shelf(bus.state(subjects.KV_PROJECTS, Project), "project")
        self.users: Shelf[User] = Shelf(bus.state(subjects.KV_PROJECTS, User), "user")
        self.keys: Shelf[ApiKey] = Shelf(bus.state(subjects.KV_PROJECTS, ApiKey), "key")
        self.sessions: Shelf[Session] = Shelf(bus.state(subjects.KV_PROJECTS, Session), "session")
        self.next_follow_ups: Shelf[NextFollowUp] = Shelf(bus.state(subjects.KV_PROJECTS, NextFollowUp), "next")
        self.answers = bus.state(subjects.KV_PROJECTS, IdempotentAnswer)

    @property
    def shelves(self) -> Iterable[Shelf[Any]]:
        """All of them."""
        return (self.projects, self.users, self.keys, self.sessions, self.next_follow_ups)

    async def ready(self, seconds: float = 10.0) -> None:
        """Wait until every shelf has been read; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            for shelf in self.shelves:
                await shelf.ready.wait()

    async def ensure_project(self, project_id: str, now: datetime) -> None:
        """Make the default project unless it is there."""
        if await self.projects.state.get(self.projects.key(project_id)) is None:
            project = Project(id=project_id, name="Default project", user_id="local", created_at=now)
            await self.projects.put(project_id, project)

    async def sweep(self, now: datetime) -> int:
        """Delete sessions and idempotent answers that are over; how many."""
        dead = [name for name, session in self.sessions.values.items() if not session.alive(now)]
        for name in dead:
            await self.sessions.drop(name)
        old = [
            entry.key
            for entry in await self.answers.items("idem")
            if entry.value is not None and now - entry.value.created_at > IDEMPOTENT
        ]
        for key in old:
            await self.answers.delete(key)
        return len(dead) + len(old)
