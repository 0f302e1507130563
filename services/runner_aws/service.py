"""Wiring of the AWS runner: consumer ``aws_kilo`` -> attempts of Kilocode in ECS tasks."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from messaging.connection import connect
from messaging.ports import Bus
from runner_core.agents.kilocode import Kilocode, Window
from runner_core.agents.opencode import Opencode
from runner_core.composing import kit, model_door
from runner_core.kit import Kit
from runner_core.model_door import ModelDoor
from runner_core.protocols import Agent, SandboxProvider
from runner_core.service import serve_runner
from runtime import health
from schemas.errors import Failure
from services.runner_aws.aws import Aws
from services.runner_aws.fargate import FargateProvider
from services.runner_aws.sandbox import Patience as FargatePatience
from services.runner_aws.settings import Settings
from services.runner_aws.tasks import Place

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
    """The shared parts with this runner's agents; its provider is made before them, for it has to be closed."""
    return kit(settings, bus, fargate, agents(settings))


def agents(settings: Settings) -> tuple[Agent, ...]:
    """The one that is set, then the other."""
    window = Window(settings.model_context, settings.model_output)
    kilocode, opencode = KilocodeInImage(KILOCODE_IN_IMAGE, window), OpencodeInImage(OPENCODE_IN_IMAGE, window)
    return (opencode, kilocode) if settings.agent == "opencode" else (kilocode, opencode)


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
