"""Wiring of the sandbox runner: consumer ``sandbox_kilo`` -> attempts of Kilocode in local sandboxes."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from messaging.connection import connect
from messaging.ports import Bus
from runner_core.agents.kilocode import Kilocode, Window
from runner_core.agents.opencode import Opencode
from runner_core.composing import kit
from runner_core.kit import Kit
from runner_core.protocols import Agent, SandboxProvider
from runner_core.service import serve_runner
from runtime import health
from services.runner_sandbox import toolchains
from services.runner_sandbox.e2b_agent import KILOCODE, OPENCODE, InTemplate
from services.runner_sandbox.local import LocalProvider
from services.runner_sandbox.settings import Settings
from services.runner_sandbox.unsafe import UnsafeProvider

INSTALLED = Path(__file__).parents[2] / "agents/node_modules"
KILOCODE_BINARY = INSTALLED / "@kilocode/cli-linux-x64/bin/kilo"
OPENCODE_BINARY = INSTALLED / "opencode-linux-x64/bin/opencode"


async def serve(settings: Settings, stop: asyncio.Event, *, bus: Bus | None = None) -> None:
    """Work on tasks until ``stop``; ``bus`` is closed here only when it was opened here."""
    async with AsyncExitStack() as stack:
        if bus is None:
            bus = await connect(settings.nats_url, service="runner_sandbox", creds=settings.nats_creds)
            stack.push_async_callback(bus.close)
        health.here().add("nats", bus.ping)
        await serve_runner(compose(settings, bus), stop, slots=settings.slots)


def compose(settings: Settings, bus: Bus) -> Kit:
    """The shared parts with this runner's sandboxes and agents."""
    sandboxes = provider(settings, Path(settings.data_dir).resolve())
    return kit(settings, bus, sandboxes, agents(settings), settings.setup_hosts)


def agents(settings: Settings) -> tuple[Agent, ...]:
    """The one that is set, then the others that are there."""
    window = Window(settings.model_context, settings.model_output)
    kilocode = Kilocode(Path(settings.kilo_binary or KILOCODE_BINARY).resolve(), window)
    path = Path(settings.opencode_binary or OPENCODE_BINARY).resolve()
    opencode = Opencode(path, window)
    if settings.sandbox == "e2b":
        found: dict[str, Agent] = {
            "kilocode": InTemplate(kilocode, KILOCODE),
            "opencode": InTemplate(opencode, OPENCODE),
        }
    else:
        found = {"kilocode": kilocode} | ({"opencode": opencode} if path.exists() else {})
    chosen = found.pop(settings.agent, opencode)
    return chosen, *found.values()


def provider(settings: Settings, data: Path) -> SandboxProvider:
    if settings.sandbox == "e2b":
        from services.runner_sandbox.e2b_provider import from_settings  # the SDK costs 1.5 s and 38 MB

        return from_settings(settings)
    shown = toolchains.detect(settings.sandbox_toolchains)
    if settings.sandbox_local_unsafe == "1":
        return UnsafeProvider(data / "runs", shown)
    return LocalProvider(data / "runs", shown, settings.sandbox_cgroup)
