"""The parts of a runner's kit that its settings decide, the same for every runner. Chosen here and nowhere else."""

from collections.abc import Sequence
from pathlib import Path

from messaging.ports import Bus
from runner_core.forges import forges, github_app
from runner_core.forges.github_calls import host_of
from runner_core.kit import Kit, Patience
from runner_core.metering import Prices, prices_of
from runner_core.model_door import ModelDoor
from runner_core.model_proxy import Endpoint
from runner_core.protocols import Agent, SandboxProvider
from runner_core.publisher import Publisher
from runner_core.settings import RunnerSettings
from runner_core.source import Source
from runtime.ids import new_id
from runtime.seal import Sealer
from runtime.settings import SettingsError

OPENAI = "https://api.openai.com/v1"


def kit(
    settings: RunnerSettings,
    bus: Bus,
    provider: SandboxProvider,
    agents: Sequence[Agent],
    setup_hosts: Sequence[str] = (),
) -> Kit:
    """All parts. ``agents``: the one of fixes that name none, then the others.

    Raises SettingsError for a price table, a GitHub App or a sealing key that does not fit.
    """
    data = Path(settings.data_dir).resolve() / "runner"
    places = forges(bus.objects(), settings.public_url, settings.github_api_url, app(settings), settings.github_fork)
    return Kit(
        bus=bus,
        runner=settings.runner_id,
        instance=f"{settings.host}-{new_id()[-8:]}",
        provider=provider,
        agent=agents[0],
        others=tuple(agents[1:]),
        source=Source(data / "mirrors"),
        publisher=Publisher(places),
        folder=data / "attempts",
        endpoint=endpoint(settings),
        prices=prices(settings),
        sealer=Sealer.from_text(settings.soulcaster_secret_key) if settings.soulcaster_secret_key else None,
        own_tokens=own_tokens(settings),
        patience=Patience(stall=settings.agent_stall_seconds, save_every=settings.work_save_seconds),
        rounds=settings.agent_rounds,
        setup_hosts=tuple(setup_hosts),
    )


def model_door(settings: RunnerSettings) -> ModelDoor | None:
    """Where remote sandboxes reach the model proxy; None where no address leads to it."""
    if not settings.model_proxy_public_url:
        return None
    return ModelDoor(settings.model_proxy_public_url, settings.model_proxy_host, settings.model_proxy_port)


def endpoint(settings: RunnerSettings) -> Endpoint | None:
    """The model, None where none is set."""
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


def prices(settings: RunnerSettings) -> Prices | None:
    """Of the model that is set; raises SettingsError for a table that does not fit."""
    try:
        return prices_of(settings.model_prices, settings.openai_model)
    except ValueError as error:
        raise SettingsError(f"MODEL_PRICES: {error}.") from error


def own_tokens(settings: RunnerSettings) -> dict[str, str]:
    """The runner's own token, for the one host that its API address belongs to; none where an App is to be used."""
    if not settings.github_token or app(settings) is not None:
        return {}
    return {host_of(settings.github_api_url): settings.github_token}


def app(settings: RunnerSettings) -> tuple[str, str] | None:
    """The GitHub App's id and key; raises SettingsError for half of one."""
    return github_app(settings.github_app_id, settings.github_app_private_key, settings.github_app_private_key_file)
