"""Wiring of the planner: consumer ``planner`` -> Requests."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from messaging.connection import connect
from messaging.ports import Bus
from messaging.worker import Worker
from runner_core.metering import Prices, prices_of
from runtime import health
from runtime.clock import SystemClock
from runtime.logs import logger
from runtime.settings import SettingsError
from schemas.plans import PlanRequest
from services.planner.authoring import ModelAuthor
from services.planner.generation import Author, EvidenceOnly, Generator
from services.planner.grounder import ProcessGrounder
from services.planner.handlers import Requests
from services.planner.repositories import Mirrors
from services.planner.settings import Settings
from services.planner.store import PlanStore
from services.planner.tokens import tokens

log = logger("planner")


async def serve(settings: Settings, stop: asyncio.Event, *, bus: Bus | None = None) -> None:
    """Work on plan requests until ``stop``; ``bus`` is closed here only when it was opened here."""
    async with AsyncExitStack() as stack:
        if bus is None:
            bus = await connect(settings.nats_url, service="planner", creds=settings.nats_creds)
            stack.push_async_callback(bus.close)
        health.here().add("nats", bus.ping)
        requests = compose(settings, bus, stack)
        await Worker(bus, "planner", requests.handle, PlanRequest, slots=settings.plan_slots).run(stop)


def compose(settings: Settings, bus: Bus, stack: AsyncExitStack) -> Requests:
    """All parts, chosen here and nowhere else."""
    data = Path(settings.data_dir).resolve()
    mirrors = Mirrors(
        data / "repos",
        local=settings.local_repositories != "no",
        seconds=settings.git_seconds,
        tokens=tokens(settings),
    )
    grounder = ProcessGrounder(slots=settings.parallel_grounding, seconds=settings.ground_seconds)
    generator = Generator(bus, mirrors, grounder, author(settings, mirrors, stack), data / "index")
    seconds, paid = settings.plan_seconds, prices(settings)
    return Requests(PlanStore(bus), generator, mirrors, SystemClock(), seconds=seconds, prices=paid)


def prices(settings: Settings) -> Prices | None:
    """Of the model that is set; raises SettingsError for a table that does not fit."""
    try:
        return prices_of(settings.model_prices, settings.openai_model)
    except ValueError as error:
        raise SettingsError(f"MODEL_PRICES: {error}.") from error


def author(settings: Settings, mirrors: Mirrors, stack: AsyncExitStack) -> Author:
    """A model when one is configured."""
    if not settings.has_model:
        log.info("planner.without_model", reason="OPENAI_MODEL and a key or an address are not both set")
        return EvidenceOnly()
    from services.planner.openai_model import Endpoint, OpenAIModel  # 40 MB that a planner without a model saves

    model = OpenAIModel(
        Endpoint(
            name=settings.openai_model,
            key=settings.openai_api_key,
            base_url=settings.openai_base_url,
            seconds=settings.model_seconds,
            silence_seconds=settings.model_silence_seconds,
            retries=settings.model_retries,
            backoff_seconds=settings.model_backoff_seconds,
            slots=settings.model_slots,
            answer_tokens=settings.model_answer_tokens,
        )
    )
    stack.push_async_callback(model.close)
    log.info("planner.with_model", model=settings.openai_model, base_url=settings.openai_base_url)
    return ModelAuthor(
        model,
        mirrors,
        plan_tokens=settings.model_plan_tokens,
        answer_tokens=settings.model_answer_tokens,
        on_failure=settings.planner_on_model_failure,
    )
