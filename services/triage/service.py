"""Wiring: subjects and consumers to handlers, while this instance holds the writer's lease."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable

from messaging.connection import connect
from messaging.ports import Bus, BusError
from messaging.worker import BatchWorker, Worker
from runtime import health
from runtime.clock import SystemClock
from runtime.ids import new_id
from runtime.logs import logger
from schemas.feedback import FeedbackItem
from schemas.jobs import JobEvent
from services.triage.calls import Desk, Switchboard
from services.triage.database import Database, DatabaseDown
from services.triage.embedder import Embedder
from services.triage.embedding_requests import Requests
from services.triage.grouping import Grouping
from services.triage.intake import Intake
from services.triage.job_events import JobEvents
from services.triage.lease import RENEW_SECONDS, SECONDS, Lease, LeaseLost
from services.triage.namer import Namer
from services.triage.operations import TABLE
from services.triage.outbox import Outbox
from services.triage.settings import Settings

log = logger("triage")
PAUSE_SECONDS = 0.3


async def serve(settings: Settings, stop: asyncio.Event, *, bus: Bus | None = None) -> None:
    """Wait for the database and the lease, work until ``stop``, then hand the lease on."""
    sys.setswitchinterval(0.001)  # grouping runs in a thread of this process; requests must get their turn quickly
    database = Database(settings.database_url)
    connection = bus or await connect(settings.nats_url, service="triage", creds=settings.nats_creds)
    health.here().add("nats", connection.ping)
    health.here().add("database", database.ping)
    try:
        if await _migrated(database, stop):
            while not stop.is_set():
                await _turn(settings, stop, database, connection)
    finally:
        if bus is None:
            await connection.close()
        await database.close()


async def _migrated(database: Database, stop: asyncio.Event) -> bool:
    """Whether the schema is ready; False when ``stop`` came first."""
    while not stop.is_set():
        try:
            await database.migrate()
        except DatabaseDown as error:
            log.warning("database.waiting", reason=str(error))
            await _pause(stop, 1.0)
        else:
            return True
    return False


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def _turn(settings: Settings, stop: asyncio.Event, database: Database, bus: Bus) -> None:
    """One term as the writer; returns when stopped, or when the lease is lost."""
    lease = Lease(database, new_id())
    if not await _acquired(lease, stop):
        return
    database.guard = lease.guard
    log.info("lease.taken", instance=lease.holder)
    over = asyncio.Event()
    tasks = [
        asyncio.create_task(_relay(stop, over)),
        asyncio.create_task(_renewed(lease, over)),
        asyncio.create_task(_work(settings, over, database, bus, lease)),
    ]
    try:
        await asyncio.gather(*tasks)
    except LeaseLost as error:
        log.warning("lease.lost", reason=str(error))
    finally:
        over.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(DatabaseDown):
            await lease.release()


async def _acquired(lease: Lease, stop: asyncio.Event) -> bool:
    told = False
    while not stop.is_set():
        try:
            if await lease.acquire():
                return True
            if not told:
                log.info("lease.standby", reason="another instance writes; this one waits its turn")
                told = True
        except DatabaseDown as error:
            log.warning("database.waiting", reason=str(error))
        await _pause(stop, PAUSE_SECONDS)
    return False


async def _relay(stop: asyncio.Event, over: asyncio.Event) -> None:
    await stop.wait()
    over.set()


async def _renewed(lease: Lease, over: asyncio.Event) -> None:
    """Renew until over. Raises LeaseLost when another instance took it, or nothing could be renewed for its length."""
    loop = asyncio.get_running_loop()
    good = loop.time()
    while not over.is_set():
        await _pause(over, RENEW_SECONDS)
        if over.is_set():
            return
        try:
            if not await lease.acquire():
                raise LeaseLost("another instance took the lease")
            good = loop.time()
        except DatabaseDown as error:
            if loop.time() - good > 4 * SECONDS:
                raise LeaseLost(str(error)) from error


async def _work(settings: Settings, over: asyncio.Event, database: Database, bus: Bus, lease: Lease) -> None:
    grouping = Grouping(
        database,
        vectors=settings.clustering_vectors,
        embeddings=settings.embeddings_model if settings.has_embeddings else "",
        strict=settings.clustering_strict,
    )
    outbox = Outbox(database, bus)
    async with _embedding(settings, over) as embedder:
        desk = Desk(database, grouping, outbox, bus, lease.holder, embedder)
        intake = Intake(database, grouping, outbox, bus, batch=settings.clustering_batch, embedder=embedder)
        try:
            await _serving(settings, over, desk, intake)
        finally:
            grouping.close()


@contextlib.asynccontextmanager
async def _embedding(settings: Settings, over: asyncio.Event) -> AsyncIterator[Embedder | None]:
    """Vectors by an endpoint, where one is configured."""
    if not settings.has_embeddings:
        if settings.embeddings_url and settings.embeddings_per_hour:
            wrong = "CLUSTERING_VECTORS is false" if settings.embeddings_model else "EMBEDDINGS_MODEL is empty"
            log.warning("embeddings.off", reason=f"EMBEDDINGS_URL is set, but {wrong}")
        yield None
        return
    from services.triage.endpoint import Endpoint  # heavy: loaded only where an endpoint is configured

    endpoint = Endpoint(
        settings.embeddings_model, url=settings.embeddings_url, key=settings.embeddings_api_key,
        seconds=settings.embeddings_timeout,
    )  # fmt: skip
    log.info("embeddings.on", model=settings.embeddings_model)
    try:
        yield Embedder(
            Requests(endpoint, batch=settings.embeddings_batch), SystemClock(), over,
            seconds=settings.embeddings_timeout, per_hour=settings.embeddings_per_hour,
        )  # fmt: skip
    finally:
        await endpoint.close()


async def _serving(settings: Settings, over: asyncio.Event, desk: Desk, intake: Intake) -> None:
    bus = desk.bus
    reports = BatchWorker(bus, "triage", intake.handle, FeedbackItem, size=settings.clustering_batch)
    jobs = Worker(bus, "triage-jobs", JobEvents(desk).handle, JobEvent, slots=1)
    async with _served(bus, Switchboard(desk, TABLE)):
        parts = (desk.outbox.run(over), _caught_up(intake, over), reports.run(over), jobs.run(over))
        await _together(*parts, _worded(settings, desk, over))


@contextlib.asynccontextmanager
async def _served(bus: Bus, switchboard: Switchboard) -> AsyncIterator[None]:
    served = await bus.serve("triage.*", switchboard.answer, slots=32)
    log.info("triage.ready")
    try:
        yield
    finally:
        await served.stop()


async def _worded(settings: Settings, desk: Desk, over: asyncio.Event) -> None:
    """Titles and summaries by a model, where one is configured."""
    if not settings.has_model:
        return
    from services.triage.asking import OpenAIModel, Unanswered  # heavy: loaded only where a model is configured

    model = OpenAIModel(
        settings.openai_model, key=settings.openai_api_key, base_url=settings.openai_base_url,
        seconds=settings.naming_seconds,
    )  # fmt: skip
    namer = Namer(desk, model, Unanswered, SystemClock(), per_hour=settings.naming_calls_per_hour)
    desk.outbox.heard = namer.notice
    try:
        await namer.run(over)
    finally:
        await model.close()


async def _caught_up(intake: Intake, over: asyncio.Event) -> None:
    """What an earlier instance was given and did not store must not wait for its redelivery."""
    while not over.is_set():
        try:
            await intake.start()
        except (DatabaseDown, LeaseLost, BusError) as error:
            log.warning("intake.waits", reason=str(error))
            await _pause(over, 1.0)
        else:
            return


async def _together(*work: Awaitable[None]) -> None:
    """All at once; the first failure ends the others."""
    async with asyncio.TaskGroup() as group:
        for one in work:
            group.create_task(_await(one))


async def _await(one: Awaitable[None]) -> None:
    await one
