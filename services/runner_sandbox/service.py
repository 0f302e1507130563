"""Wiring of the sandbox runner: consumer ``sandbox_kilo`` -> attempts of Kilocode in local sandboxes."""

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
from runner_core.model_proxy import Endpoint
from runner_core.protocols import Agent, SandboxProvider
from runner_core.publisher import Publisher
from runner_core.service import serve_runner
from runner_core.source import Source
from runtime import health
from runtime.ids import new_id
from runtime.seal import Sealer
from runtime.settings import SettingsError
from services.runner_sandbox import toolchains
from services.runner_sandbox.e2b_agent import KILOCODE, OPENCODE, InTemplate
from services.runner_sandbox.local import LocalProvider
from services.runner_sandbox.settings import Settings
from services.runner_sandbox.unsafe import UnsafeProvider

OPENAI = "https://api.openai.com/v1"
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
    """All parts, chosen here and nowhere else."""
    data = Path(settings.data_dir).resolve()
    return Kit(
        bus=bus,
        runner=settings.runner_id,
        instance=f"{settings.host}-{new_id()[-8:]}",
        provider=provider(settings, data),
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
        setup_hosts=tuple(settings.setup_hosts),
    )


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
