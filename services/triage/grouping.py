"""The engines, one a project: loaded from the database, run in one thread so that requests stay fast."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import msgspec
import sqlalchemy as sa

from runtime.logs import logger
from services.triage.database import Database, DatabaseDown
from services.triage.embeddings import Vector
from services.triage.engine import Assignment, Config, Engine, Report
from services.triage.rows import report_of
from services.triage.store import reports, work
from services.triage.tables import clusters

T = TypeVar("T")
log = logger("triage.grouping")
KEPT: Final = 64  # engines in memory; the least used is dropped and read again when needed
PAGE: Final = 500


class EngineDown(DatabaseDown):
    """The engine's tables or models cannot be loaded: nothing was stored; reports wait until it is repaired."""


class Poison(msgspec.Struct, frozen=True):
    """A report that the engine fails on, by its place in the batch."""

    place: int
    reason: str


class Grouped(msgspec.Struct, frozen=True):
    """Where each report went, and what to remember of it; or which report is poison (nothing is to be stored)."""

    assignments: list[Assignment] = msgspec.field(default_factory=list)
    memos: list[bytes] = msgspec.field(default_factory=list)
    poison: Poison | None = None


class Grouping:
    """All engines. The caller holds the project's lock around every use of one."""

    def __init__(self, database: Database, *, vectors: bool = True, embeddings: str = "", strict: bool = False) -> None:
        self._database = database
        self._config = (Config.strict if strict else Config)(vectors=vectors, embeddings=embeddings)
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}
        self._loaded = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="grouping")

    def lock(self, project_id: str) -> asyncio.Lock:
        """One writer a project: whoever changes its clusters holds this."""
        return self._locks.setdefault(project_id, asyncio.Lock())

    def busy(self, project_id: str) -> bool:
        """Whether something is being grouped or changed right now."""
        return project_id in self._locks and self._locks[project_id].locked()

    async def run(self, work_: Callable[..., T], *arguments: Any) -> T:
        """Run in the engines' thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work_, *arguments)

    async def engine(self, project_id: str) -> Engine:
        """The project's engine, read from the database when it is not in memory."""
        found = self._engines.get(project_id)
        if found is None:
            found = await self._restore(project_id)
            self._engines[project_id] = found
            while len(self._engines) > KEPT:
                self._engines.popitem(last=False)
        self._engines.move_to_end(project_id)
        return found

    def discard(self, project_id: str) -> None:
        """Forget an engine that is ahead of the database: the transaction that its changes belong to failed."""
        self._engines.pop(project_id, None)

    async def assign(self, project_id: str, arriving: Sequence[Report], vectors: Mapping[str, Vector]) -> Grouped:
        """Place reports in order; ``vectors`` by report id, for those that have one."""
        engine = await self.engine(project_id)
        return await self.run(_assign, engine, arriving, vectors)

    async def _load(self) -> None:
        """Load tables and models, once, when the first report needs them: they are half of the service's memory."""
        if self._loaded:
            return
        try:
            await self.run(Engine, self._config)
        except Exception as error:  # a broken installation must make reports wait, not bury them one by one
            log.error("engine.broken", exc_info=error)
            raise EngineDown(f"the clustering engine cannot be loaded: {error}") from error
        self._loaded = True

    async def _restore(self, project_id: str) -> Engine:
        await self._load()
        async with self._database.read() as connection:
            said = await work.all_constraints(connection, project_id)
            seen = await connection.execute(
                sa.select(clusters.c.id).where(clusters.c.project_id == project_id, clusters.c.seen_at.is_not(None))
            )
            touched = list(seen.scalars())
        pages = _Pages(self._database, project_id, asyncio.get_running_loop())
        engine = await self.run(lambda: Engine.restore(pages.items(), said, touched, self._config))
        if len(engine):
            log.info("engine.restored", project_id=project_id, reports=len(engine), memory=engine.mode)
        return engine

    def close(self) -> None:
        """End the thread once its work in hand is done."""
        self._thread.shutdown(wait=True, cancel_futures=True)


class _Pages:
    """Stored reports page by page, pulled by the engines' thread, so that a big project never is in memory whole."""

    def __init__(self, database: Database, project_id: str, loop: asyncio.AbstractEventLoop) -> None:
        self._database, self._project_id, self._loop = database, project_id, loop

    def items(self) -> Iterator[tuple[Report, str] | tuple[Report, str, bytes]]:
        after = 0
        while page := asyncio.run_coroutine_threadsafe(self._page(after), self._loop).result():
            for _, row, cluster_id, memo in page:
                yield (report_of(row), cluster_id) if memo is None else (report_of(row), cluster_id, memo)
            after = page[-1][0]

    async def _page(self, after: int) -> list[tuple[int, dict[str, Any], str, bytes | None]]:
        async with self._database.read() as connection:
            return await reports.page_for_engine(connection, self._project_id, after, PAGE)


def _assign(engine: Engine, arriving: Sequence[Report], vectors: Mapping[str, Vector]) -> Grouped:
    found, memos = [], []
    for place, report in enumerate(arriving):
        try:
            found.append(engine.assign(report, vectors.get(report.id)))
            memos.append(engine.last_memo())
        except Exception as error:  # whatever a hostile text makes the engine do, its neighbours must go on
            log.error("engine.failed", feedback_id=report.id, exc_info=error)
            return Grouped(poison=Poison(place, f"it cannot be grouped: {type(error).__name__}: {error}"))
    return Grouped(found, memos)
