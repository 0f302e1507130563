"""Reports off the stream into rows and clusters: exactly once, in the stream's order, poisonous ones set aside."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final

import msgspec

from messaging.ports import Bus, CaughtUp, Reject, Retry
from messaging.worker import Done, Item, Result
from runtime.ids import derived
from runtime.logs import logger
from schemas.base import decode
from schemas.feedback import FeedbackItem
from schemas.subjects import FEEDBACK
from services.triage import arrivals
from services.triage.arrivals import Arrival
from services.triage.database import Database, DatabaseDown, is_bad_value
from services.triage.embedder import Embedder
from services.triage.embeddings import Vector
from services.triage.grouping import Grouping
from services.triage.lease import LeaseLost
from services.triage.outbox import Outbox
from services.triage.store import work

log = logger("triage.intake")
RETRY_SECONDS: Final = 1.0


class Intake:
    """The batch handler of consumer ``triage``.

    The database's cursor, not the consumer, says how far the stream is stored: reports that the consumer has handed to
    an instance that died are read from the stream first, so that reports are always grouped in the order they came.
    """

    def __init__(
        self, database: Database, grouping: Grouping, outbox: Outbox, bus: Bus, *, batch: int = 128,
        embedder: Embedder | None = None,
    ) -> None:  # fmt: skip
        self._database, self._grouping, self._outbox, self._bus, self._batch = database, grouping, outbox, bus, batch
        self._embedder = embedder
        self._cursor: int | None = None
        self._one = asyncio.Lock()

    async def start(self) -> None:
        """Store what an earlier instance was given and did not store, before it is delivered again."""
        async with self._one:
            await self.catch_up()
        await self._outbox.try_flush()

    async def handle(self, items: list[Item[FeedbackItem]]) -> Sequence[Result]:
        """One outcome for each item."""
        arriving = [Arrival(i.message, i.context.subject, i.context.sequence, i.context.stored_at) for i in items]
        try:
            async with self._one:
                await self._fill({one.sequence for one in arriving})
                verdicts = await self._take(sorted(arriving, key=lambda one: one.sequence))
        except (DatabaseDown, LeaseLost) as error:
            log.warning("intake.waits", reason=str(error))
            return [Retry(str(error), RETRY_SECONDS) for _ in items]
        await self._outbox.try_flush()
        return [Reject(reason) if (reason := verdicts.get(one.sequence)) else Done() for one in arriving]

    async def _fill(self, sequences: set[int]) -> None:
        """Unless the batch goes on right where the cursor stands, read what lies between from the stream."""
        cursor = await self._position()
        ahead = {sequence for sequence in sequences if sequence > cursor}
        if ahead and max(ahead) - cursor != len(ahead):
            await self.catch_up(max(ahead))

    async def _position(self) -> int:
        if self._cursor is None:
            async with self._database.read() as connection:
                self._cursor = await work.cursor(connection)
        return self._cursor

    async def catch_up(self, upto: int | None = None) -> None:
        """Store what the stream holds after the cursor, up to a sequence or to its end."""
        cursor = await self._position()
        waiting: list[Arrival] = []
        async with aclosing(self._bus.follow(FEEDBACK, ["feedback.>"], after=cursor)) as stored:
            async for message in stored:
                if isinstance(message, CaughtUp) or (upto is not None and message.sequence > upto):
                    break
                if message.sequence <= cursor:  # the stream was made anew and counts from 1 again
                    cursor = self._cursor = 0
                try:
                    item = decode(message.data, FeedbackItem)
                except msgspec.DecodeError:
                    continue  # the worker buries it when the consumer delivers it
                stored_at = datetime.fromtimestamp(message.time, UTC)
                waiting.append(Arrival(item, message.subject, message.sequence, stored_at))
                if len(waiting) >= self._batch:
                    await self._take(waiting)
                    waiting = []
        if waiting:
            await self._take(waiting)

    async def _take(self, arriving: list[Arrival]) -> dict[int, str]:
        """Store reports in order; ``{sequence: reason}`` of those that can never be stored."""
        verdicts = {one.sequence: reason for one in arriving if (reason := refusal(one))}
        projects: dict[str, list[Arrival]] = {}
        for one in arriving:
            if one.sequence not in verdicts:
                projects.setdefault(one.item.project_id, []).append(one)
        vectors = await self._vectors(projects)
        for project_id, mine in projects.items():
            async with self._grouping.lock(project_id):
                verdicts |= await self._store(project_id, mine, vectors)
        last = arriving[-1].sequence
        if self._cursor is None or last > self._cursor:
            async with self._database.write() as connection:
                await work.set_cursor(connection, last)
            self._cursor = last
        return verdicts

    async def _vectors(self, projects: Mapping[str, Sequence[Arrival]]) -> Mapping[str, Vector]:
        """Asked for before the locks are taken: nobody's click waits for the endpoint, and all projects wait once."""
        if self._embedder is None:
            return arrivals.NO_VECTORS
        unseen = [await arrivals.new(self._database, project_id, mine) for project_id, mine in projects.items()]
        return await self._embedder.vectors([report for some in unseen for report in some])

    async def _store(self, project_id: str, arriving: list[Arrival], vectors: Mapping[str, Vector]) -> dict[int, str]:
        """Store a project's reports; a poisonous one is left out and told."""
        bad: dict[int, str] = {}
        while arriving:
            try:
                poison = await arrivals.store(self._database, self._grouping, project_id, arriving, vectors)
            except (DatabaseDown, LeaseLost):
                self._grouping.discard(project_id)
                raise
            except Exception as error:  # only what a report holds is its own fault, anything else is a bug of ours
                # A value that the database or the wire refuses: find the report it belongs to, keep the others.
                self._grouping.discard(project_id)
                if not is_bad_value(error):
                    raise
                reason = str(getattr(error, "orig", error))
                log.warning("intake.refused", project_id=project_id, reports=len(arriving), reason=reason)
                if len(arriving) > 1:
                    half = len(arriving) // 2
                    bad |= await self._store(project_id, arriving[:half], vectors)
                    return bad | await self._store(project_id, arriving[half:], vectors)
                return bad | {arriving[0].sequence: f"it cannot be stored: {reason}"}
            except asyncio.CancelledError:
                self._grouping.discard(project_id)
                raise
            if poison is None:
                return bad
            self._grouping.discard(project_id)
            bad[poison[0]] = poison[1]
            arriving = [one for one in arriving if one.sequence not in bad]
        return bad


def refusal(one: Arrival) -> str | None:
    """Why a message can never be a report; None when it can."""
    tokens = one.subject.split(".")
    if tokens[1:] != [one.item.project_id, one.item.source]:
        return f"it says project {one.item.project_id!r} and source {one.item.source!r} on the subject {one.subject}"
    if not one.item.external_id or not one.item.title:
        return "it has no external_id or no title"
    if one.item.id != derived("feedback", one.item.project_id, one.item.source, one.item.external_id):
        return "its id is not derived from its project, source and external_id"
    return None
