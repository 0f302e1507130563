"""Wiring of the AWS runner: consumer ``aws_kilo`` -> attempts of Kilocode in ECS tasks."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from messaging.connection import connect
from messaging.ports import Bus
from runner_core.agents.kilocode import Kilocode, Window
from runner_core.agents.opencode import Opencode
from runner_core.forges import forges, github_app
from runner_core.forges.github_calls import host_of
from runner_core.kit import Kit, Patience
from runner_core.metering import Prices, prices_of
from runner_core.model_door import ModelDoor
from runner_core.model_proxy import Endpoint
from runner_core.protocols import Agent, SandboxProvider
from runner_core.publisher import Publisher
from runner_core.service import serve_runner
from runner_core.source import Source
from runtime import health
from runtime.ids import new_id
from runtime.seal import Sealer
from runtime.settings import SettingsError
from schemas.errors import Failure
from services.runner_aws.aws import Aws
from services.runner_aws.fargate import FargateProvider
from services.runner_aws.sandbox import Patience as FargatePatience
from services.runner_aws.settings import Settings
from services.runner_aws.tasks import Place

OPENAI = "https://api.openai.com/v1"
KILOCODE_IN_IMAGE = Path("/opt/kilocode/kilo")  # where deploy/aws/Dockerfile puts them
OPENCODE_IN_IMAGE = Path("/opt/opencode/opencode")


class KilocodeInImage(Kilocode):
    """The one of the container's image; nothing of it has to be on the runner's machine."""

    async def probe(self) -> Failure | None:
        return None


class OpencodeInImage(Opencode):
    """The one of the container's image."""

    async def probe(self) -> Failure | None:
        return None


async def serve(settings: Settings, stop: asyncio.Event, *, bus: Bus | None = None) -> None:
    """Work on tasks until ``stop``; ``bus`` is closed here only when it was opened here."""
    async with AsyncExitStack() as stack:
        if bus is None:
            bus = await connect(settings.nats_url, service="runner_aws", creds=settings.nats_creds)
            stack.push_async_callback(bus.close)
        health.here().add("nats", bus.ping)
        door = model_door(settings)
        if door is not None:
            stack.push_async_callback(door.close)
        fargate = provider(settings, door)
        stack.push_async_callback(fargate.close)
        await serve_runner(compose(settings, bus, fargate), stop, slots=settings.runner_slots)


def compose(settings: Settings, bus: Bus, fargate: SandboxProvider) -> Kit:
    """All parts, chosen here and nowhere else."""
    data = Path(settings.data_dir).resolve()
    return Kit(
        bus=bus,
        runner=settings.runner_id,
        instance=f"{settings.host}-{new_id()[-8:]}",
        provider=fargate,
        agent=agents(settings)[0],
        others=agents(settings)[1:],
        source=Source(data / "runner" / "mirrors"),
        publisher=Publisher(
            forges(bus.objects(), settings.public_url, settings.github_api_url, app(settings), settings.github_fork)
        ),
        folder=data / "runner" / "attempts",
        endpoint=endpoint(settings),
        prices=prices(settings),
        sealer=Sealer.from_text(settings.soulcaster_secret_key) if settings.soulcaster_secret_key else None,
        own_tokens=own_tokens(settings),
        patience=Patience(stall=settings.agent_stall_seconds, save_every=settings.work_save_seconds),
        rounds=settings.agent_rounds,
    )


def agents(settings: Settings) -> tuple[Agent, ...]:
    """The one that is set, then the other."""
    window = Window(settings.model_context, settings.model_output)
    kilocode, opencode = KilocodeInImage(KILOCODE_IN_IMAGE, window), OpencodeInImage(OPENCODE_IN_IMAGE, window)
    return (opencode, kilocode) if settings.agent == "opencode" else (kilocode, opencode)


def model_door(settings: Settings) -> ModelDoor | None:
    if not settings.model_proxy_public_url:
        return None
    return ModelDoor(settings.model_proxy_public_url, settings.model_proxy_host, settings.model_proxy_port)


def provider(settings: Settings, door: ModelDoor | None) -> FargateProvider:
    place = Place(
        cluster=settings.ecs_cluster_name,
        task_definition=settings.ecs_task_definition,
        subnets=tuple(settings.ecs_subnet_ids),
        security_groups=tuple(settings.ecs_security_group_ids),
        bucket=settings.ecs_mailbox_bucket,
        public_ip=settings.ecs_assign_public_ip,
        concurrency=settings.ecs_concurrency,
    )
    patience = FargatePatience(starting=settings.ecs_start_seconds)
    return FargateProvider(place, Aws(settings.aws_region, settings.aws_endpoint_url), door, patience)


def endpoint(settings: Settings) -> Endpoint | None:
    if not settings.has_model:
        return None
    return Endpoint(
        base_url=settings.openai_base_url or OPENAI,
        key=settings.openai_api_key,
        model=settings.openai_model,
        patience=settings.model_silence_seconds,
        tries=settings.model_retries + 1,
        first_delay=settings.model_backoff_seconds,
    )


def prices(settings: Settings) -> Prices | None:
    """Of the model that is set; raises SettingsError for a table that does not fit."""
    try:
        return prices_of(settings.model_prices, settings.openai_model)
    except ValueError as error:
        raise SettingsError(f"MODEL_PRICES: {error}.") from error


def own_tokens(settings: Settings) -> dict[str, str]:
    """The runner's own token, for the one host that its API address belongs to; none where an App is to be used."""
    if not settings.github_token or app(settings) is not None:
        return {}
    return {host_of(settings.github_api_url): settings.github_token}


def app(settings: Settings) -> tuple[str, str] | None:
    return github_app(settings.github_app_id, settings.github_app_private_key, settings.github_app_private_key_file)
