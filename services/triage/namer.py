"""The model's words for clusters, beside everything else: it waits for nobody, and nobody waits for it."""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Protocol

import sqlalchemy as sa

from messaging.ports import BusError
from runtime.clock import Clock
from runtime.logs import logger
from services.triage import wording
from services.triage.calls import Desk
from services.triage.changes import Change
from services.triage.database import DatabaseDown
from services.triage.lease import LeaseLost
from services.triage.rows import ClusterRow, Facts, Worded
from services.triage.store import clusters as cluster_store
from services.triage.tables import clusters

log = logger("triage.namer")
HOUR: Final = 3600.0
SETTLE_SECONDS: Final = 2.0  # a burst of reports is one change
WAITING: Final = 5_000  # clusters remembered as changed; beyond that the oldest wait for their next change
BACKLOG: Final = 200
FIRST_PAUSE: Final = 15.0  # after a failure; doubles up to an hour
Key = tuple[str, str]


class Model(Protocol):
    """``asking.OpenAIModel``; the exception that its ``ask`` raises is handed over with it."""

    name: str

    async def ask(self, messages: Sequence[dict[str, str]], schema: dict[str, Any]) -> str: ...


class Namer:
    """At most ``per_hour`` questions; ``failure`` is what the model raises when it does not answer."""

    def __init__(
        self, desk: Desk, model: Model, failure: type[Exception], clock: Clock, *, per_hour: int,
        settle: float = SETTLE_SECONDS,
    ) -> None:  # fmt: skip
        self._desk, self._model, self._failure, self._clock = desk, model, failure, clock
        self._per_hour, self._settle = per_hour, settle
        self._changed: dict[Key, None] = {}
        self._wake = asyncio.Event()
        self._asked: deque[float] = deque()
        self._failures = 0
        self._unusable: dict[Key, int] = {}  # reports that there were when the answer was of no use

    def notice(self, subject: str) -> None:
        """A cluster was published: look at it soon."""
        _, project_id, cluster_id = subject.split(".")
        self._changed[project_id, cluster_id] = None
        if len(self._changed) > WAITING:
            del self._changed[next(iter(self._changed))]
        self._wake.set()

    async def run(self, over: asyncio.Event) -> None:
        """Until ``over``. Trouble of the model, the database or the broker is waited out."""
        await self._guarded(self._backlog(), over)
        while not over.is_set():
            await _first(over, self._wake)
            await _pause(over, self._settle)
            self._wake.clear()
            for key in await self._guarded(self._due(), over) or []:
                if over.is_set():
                    return
                await _pause(over, self._spare())
                await self._guarded(self._word(key, over), over)

    async def _guarded(self, work: Any, over: asyncio.Event) -> Any:
        try:
            return await work
        except (DatabaseDown, LeaseLost, BusError) as error:
            log.warning("namer.waits", reason=str(error))
            await _pause(over, 5.0)
        except Exception as error:  # words are a courtesy: a fault in making them must not end the clustering
            log.error("namer.failed", exc_info=error)
        return None

    async def _backlog(self) -> None:
        """What changed while no model was there, newest first."""
        async with self._desk.database.read() as connection:
            rows = await connection.execute(
                sa.select(clusters.c.project_id, clusters.c.id)
                .where(clusters.c["count"] >= wording.LEAST, clusters.c.worded.is_(None))
                .where(clusters.c.merged_into.is_(None))
                .order_by(clusters.c.last_seen.desc())
                .limit(BACKLOG)
            )
            found = [(row[0], row[1]) for row in rows]
        for key in found:
            self._changed.setdefault(key)
        if found:
            self._wake.set()

    async def _due(self) -> list[Key]:
        """The changed clusters that are worth a question, the biggest first."""
        changed, self._changed = self._changed, {}
        projects: dict[str, list[str]] = {}
        for project_id, id_ in changed:
            projects.setdefault(project_id, []).append(id_)
        found: list[ClusterRow] = []
        async with self._desk.database.read() as connection:
            for project_id, ids in projects.items():
                found += (await cluster_store.load(connection, project_id, ids)).values()
        wanted = sorted((row for row in found if self._worth(row)), key=lambda row: (-row.count, row.id))
        return [(row.project_id, row.id) for row in wanted]

    def _worth(self, row: ClusterRow) -> bool:
        before = self._unusable.get((row.project_id, row.id), 0)
        return wording.due(row) and row.count >= wording.GROWN * before

    def _spare(self) -> float:
        """Seconds until the hour's budget allows a question."""
        now = self._clock.monotonic()
        while self._asked and self._asked[0] <= now - HOUR:
            self._asked.popleft()
        return 0.0 if len(self._asked) < self._per_hour else self._asked[0] + HOUR - now

    async def _word(self, key: Key, over: asyncio.Event) -> None:
        row, facts = await self._read(key)
        if row is None or facts is None or not self._worth(row) or over.is_set():
            return
        self._asked.append(self._clock.monotonic())
        try:
            question = wording.question(facts, f"DATA-{secrets.token_hex(8)}")
            answer = await _unless(over, self._model.ask(question, wording.SCHEMA))
        except self._failure as error:
            self._failures += 1
            pause = max(getattr(error, "wait", None) or 0.0, FIRST_PAUSE * 2.0 ** min(self._failures - 1, 8))
            log.warning("model.unanswered", model=self._model.name, reason=str(error), pause_seconds=min(pause, HOUR))
            self._changed.setdefault(key)
            self._wake.set()
            await _pause(over, min(pause, HOUR))
            return
        if answer is None:
            return
        self._failures = 0
        try:
            words = wording.read(answer, self._model.name, row)
        except wording.Unusable as error:  # asked again when the cluster has grown
            self._unusable[key] = row.count
            log.warning("model.unusable", model=self._model.name, cluster_id=row.id, reason=str(error))
            return
        await self._keep(key, words)

    async def _read(self, key: Key) -> tuple[ClusterRow | None, Facts | None]:
        async with self._desk.database.read() as connection:
            row = (await cluster_store.load(connection, key[0], [key[1]])).get(key[1])
            facts = (await cluster_store.facts(connection, [key[1]])).get(key[1])
        return row, facts

    async def _keep(self, key: Key, words: Worded) -> None:
        project_id, id_ = key
        async with self._desk.grouping.lock(project_id), self._desk.database.write() as connection:
            held = (await cluster_store.load(connection, project_id, [id_])).get(id_)
            if held is None or held.merged_into is not None or held.count == 0:
                return
            change = Change(connection, project_id, self._desk.now(), f"model:{words.by}")
            await change.touch([id_])
            change.rows[id_].worded = words
            change.note(id_, "worded", "Title and summary were written by a model", details={"model": words.by})
            await change.finish()
        await self._desk.outbox.try_flush()


async def _pause(over: asyncio.Event, seconds: float) -> None:
    if seconds > 0:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), seconds)


async def _unless(over: asyncio.Event, asking: Coroutine[Any, Any, str]) -> str | None:
    """The answer; None when ``over`` came first: a stop waits for no model."""
    answer, ended = asyncio.ensure_future(asking), asyncio.ensure_future(over.wait())
    try:
        await asyncio.wait((answer, ended), return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None
    finally:
        answer.cancel()
        ended.cancel()


async def _first(*events: asyncio.Event) -> None:
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
