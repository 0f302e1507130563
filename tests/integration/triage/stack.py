"""Triage on a real broker and a real database, as a task of the test or as a process of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from messaging.connection import NatsBus
from messaging.ports import CaughtUp
from runtime.ids import derived
from runtime.processes import Child
from schemas import subjects
from schemas.base import decode, encode
from schemas.clusters import Cluster
from schemas.feedback import FeedbackItem
from schemas.triage import OPERATIONS, result_of
from services.triage.service import serve
from services.triage.settings import Settings
from tests.support.eventually import eventually

START = datetime(2026, 11, 20, 8, tzinfo=UTC)
ROOT = Path(__file__).parents[3]


def report(external_id: str, title: str, body: str = "", **fields: Any) -> FeedbackItem:
    """A report as a source makes it; an hour apart by default when ids end in a number."""
    project, source = fields.pop("project_id", "shop"), fields.pop("source", "sentry")
    place = int("".join(filter(str.isdigit, external_id)) or 0)
    values: dict[str, Any] = {
        "id": derived("feedback", project, source, external_id),
        "project_id": project,
        "source": source,
        "external_id": external_id,
        "title": title,
        "body": body,
        "created_at": START + timedelta(hours=place % 48),
        "received_at": START + timedelta(hours=place % 48),
    }
    return FeedbackItem(**{**values, **fields})


class Stack:
    """``bus`` is the test's own connection."""

    def __init__(self, bus: NatsBus, nats_url: str, database_url: str) -> None:
        self.bus, self.nats_url, self.database_url = bus, nats_url, database_url
        self.changes: dict[str, Any] = {}  # other settings of triage
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def settings(self) -> Settings:
        changes = {"nats_url": self.nats_url, "database_url": self.database_url, **self.changes}
        return msgspec.convert({"clustering_batch": 64, **changes}, Settings)

    async def start(self) -> None:
        """Serve inside the test's loop; ready when it answers."""
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(serve(self.settings, self._stop))
        await eventually(self._answers, within=20)

    async def stop(self) -> None:
        """In order."""
        self._stop.set()
        if self._task is not None:
            await asyncio.wait_for(self._task, 15)

    async def process(self, log: Path) -> Child:
        """``python -m services.triage`` in a process of its own."""
        environment = {
            **os.environ,
            "NATS_URL": self.nats_url,
            "DATABASE_URL": self.database_url,
            "CLUSTERING_BATCH": "32",
            "PYTHONPATH": str(ROOT),
            **{name.upper(): str(value) for name, value in self.changes.items()},
        }
        with log.open("ab") as said:
            return await Child.start(
                "triage", [sys.executable, "-m", "services.triage"], env=environment, stderr=said, stdout=said
            )

    async def _answers(self) -> None:
        if self._task is not None and self._task.done():
            self._task.result()
        try:
            await self.call("health", timeout=1)
        except Exception as error:  # whatever is not up yet is not up yet
            raise AssertionError(str(error)) from error

    async def send(self, *items: FeedbackItem) -> None:
        """Publish as the gateway does."""
        for item in items:
            await self.bus.publish(subjects.feedback(item.project_id, item.source), encode(item), msg_id=item.id)

    async def call(self, operation: str, *, timeout: float = 10, **fields: Any) -> Any:
        """The typed result; raises CallFailed."""
        request = OPERATIONS[operation][0]
        if "project_id" in request.__struct_fields__:
            fields.setdefault("project_id", "shop")
        data = await self.bus.request(subjects.triage_call(operation), encode(request(**fields)), timeout=timeout)
        return result_of(operation, data)

    async def stored(self, count: int, project: str = "shop", within: float = 20) -> list[Any]:
        """All reports of the project once there are exactly ``count``, oldest first."""

        async def check() -> list[Any]:
            stats = await self.call("stats", project_id=project)
            assert stats.total_feedback == count
            return await self.everything(project)

        return await eventually(check, within=within)

    async def everything(self, project: str = "shop") -> list[Any]:
        """All reports, page by page, oldest first."""
        found: list[Any] = []
        cursor = None
        while True:
            page = await self.call("feedback_list", project_id=project, limit=500, cursor=cursor)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found[::-1]

    async def clusters(self, project: str = "shop") -> list[Any]:
        """All live clusters."""
        page = await self.call("cluster_list", project_id=project)
        assert page.next_cursor is None
        return list(page.items)

    async def published(self, cluster_id: str, project: str = "shop") -> Cluster:
        """The cluster as the stream has it now."""
        stored = await self.bus.last(subjects.CLUSTERS, subjects.cluster(project, cluster_id))
        assert stored is not None
        return decode(stored.data, Cluster)


async def all_of(bus: NatsBus, stream: str, subject: str) -> list[Any]:
    """Every stored message of a subject."""
    found: list[Any] = []
    follower = bus.follow(stream, [subject])
    try:
        async for message in follower:
            if isinstance(message, CaughtUp):
                return found
            found.append(message)
    finally:
        await follower.aclose()
    return found


def partition(items: Sequence[Any]) -> set[frozenset[str]]:
    """Who is together with whom, whatever the clusters are called."""
    groups: dict[str, set[str]] = {}
    for item in items:
        groups.setdefault(item.cluster_id, set()).add(item.external_id)
    return {frozenset(group) for group in groups.values()}


@asynccontextmanager
async def running(stack: Stack) -> AsyncIterator[Stack]:
    """Started, and stopped with the block."""
    await stack.start()
    try:
        yield stack
    finally:
        await stack.stop()
