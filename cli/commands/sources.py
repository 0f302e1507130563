"""``sources``: what reports come from, guided set-up of those that push, and waiting for their first event."""

import asyncio
import secrets
from typing import Annotated, Any

import typer

from cli.client import Gateway
from cli.errors import CliError, Exit
from cli.options import Key, Output, Project, Url, may_ask, output_format, with_gateway
from cli.output import emit, err, say

sources = typer.Typer(no_args_is_help=True, help="Where reports come from: list, add, on, off.")
HOOKS = {
    "sentry": "/ingest/sentry",
    "github": "/ingest/github/webhook",
    "datadog": "/ingest/datadog/webhook",
    "splunk": "/ingest/splunk/webhook",
    "posthog": "/ingest/posthog/webhook",
}
ALL = (*HOOKS, "reddit", "manual")
# What each vendor wants at its side; the whole steps are in docs/how-to/sources.
STEPS = {
    "sentry": "Settings, Developer Settings, Internal Integration: the address; its Client Secret is the secret",
    "github": "Repository, Settings, Webhooks: the address, content type application/json, the secret; issues",
    "datadog": 'Integrations, Webhooks: the address; Custom Headers {"X-Soulcaster-Secret": "<the secret>"}',
    "splunk": "Alert, action Webhook: the address with &token=<the secret>; Splunk's webhook allow list must have it",
    "posthog": "Data pipeline, Destinations, HTTP Webhook: the address; header X-Soulcaster-Secret with the secret",
}
LEAST = 8
MAKE = "generate"
Source = Annotated[str, typer.Argument(help=", ".join(HOOKS) + ".")]


def _pushing(source: str) -> str:
    if source in HOOKS:
        return source
    more = "see docs/how-to/sources" if source in ALL else f"one of {', '.join(HOOKS)}"
    raise CliError(f"{source} does not push here", next_step=more, code=Exit.USAGE)


@sources.command("list")
def sources_list(output: Output = "table", gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Every source: whether it is on, has a secret, and how many reports came."""
    fmt = output_format(output)

    async def act(session: Gateway) -> list[dict[str, Any]]:
        stats = (await session.call("GET", "/stats"))["by_source"]
        rows = []
        for name in ALL:
            kept = await session.call("GET", f"/config/{name}") if name in HOOKS else {}
            enabled = (await session.call("GET", f"/config/{name}/enabled"))["enabled"]
            rows.append(
                {
                    "id": name,
                    "on": enabled,
                    "secret": bool((kept.get("secret") or {}).get("set")),
                    "reports": stats.get(name, 0),
                }
            )
        return rows

    columns = [("Source", "id"), ("On", "on"), ("Secret", "secret"), ("Reports", "reports")]
    emit(with_gateway(gateway, api_key, project, act), fmt=fmt, columns=columns)


@sources.command("add")
def sources_add(
    source: Source,
    secret: Annotated[
        str | None, typer.Option(help="The vendor's secret, or one of your own; `generate` makes one.")
    ] = None,
    wait: Annotated[
        float | None, typer.Option(min=0, help="Seconds to wait for its first report; exit code 8 when none came.")
    ] = None,
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Set a source up: keep its secret, print the address to give to the vendor."""
    name = _pushing(source)
    kept = _secret(name, secret)

    async def act(session: Gateway) -> int:
        before = await _count(session, name)
        await session.call("POST", f"/config/{name}/secret", body={"secret": kept})
        await session.call("POST", f"/config/{name}/enabled", body={"enabled": True})
        typer.echo(f"{session.target.gateway}{HOOKS[name]}?project_id={session.target.project}")
        if secret == MAKE:
            typer.echo(kept)
        say(f"At the vendor: {STEPS[name]}.")
        if session.target.gateway.startswith(("http://127.", "http://localhost")):
            say("This gateway listens on this machine only: the vendor needs an address that it can reach.")
        return Exit.OK if wait is None else await _waited(session, name, before, wait)

    raise typer.Exit(with_gateway(gateway, api_key, project, act))


def _secret(source: str, given: str | None) -> str:
    if given == MAKE and source != "sentry":
        return secrets.token_hex(32)
    if given == MAKE:
        raise CliError("Sentry makes its own secret", next_step="--secret CLIENT_SECRET", code=Exit.USAGE)
    if given is None and may_ask():
        given = typer.prompt("Secret", hide_input=True, err=True)
    if given is None:
        raise CliError("--secret is missing", next_step="--secret SECRET, or --secret generate", code=Exit.USAGE)
    if len(given) < LEAST:
        raise CliError(f"a secret has at least {LEAST} characters", next_step="openssl rand -hex 32", code=Exit.USAGE)
    return given


async def _count(session: Gateway, source: str) -> int:
    return int((await session.call("GET", "/stats"))["by_source"].get(source, 0))


async def _waited(session: Gateway, source: str, before: int, seconds: float) -> int:
    """Ask every second until one report more is there."""
    until = asyncio.get_running_loop().time() + seconds
    say(f"Waiting for the first report of {source}, {seconds:g} s at most.")
    while await _count(session, source) <= before:
        if asyncio.get_running_loop().time() >= until:
            raise CliError(
                f"no report of {source} came within {seconds:g} s",
                why="The secret is kept; a report that comes later is taken in.",
                next_step="the vendor's own list of deliveries says what it got as an answer",
                code=Exit.PENDING,
            )
        await asyncio.sleep(1)
    err.print(f"The first report of {source} is here. See it: soulcaster clusters", markup=False)
    return Exit.OK


def _switch(source: str, enabled: bool, gateway: str | None, key: str | None, project: str | None) -> None:
    if source not in ALL:
        raise CliError(f"there is no source {source}", next_step=f"one of {', '.join(ALL)}", code=Exit.USAGE)
    path, body = f"/config/{source}/enabled", {"enabled": enabled}
    with_gateway(gateway, key, project, lambda session: session.call("POST", path, body=body))
    say(f"Reports of {source} are {'taken in' if enabled else 'answered and left out'} from now on.")


@sources.command("on")
def sources_on(source: str, gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Take in the reports of a source."""
    _switch(source, True, gateway, api_key, project)


@sources.command("off")
def sources_off(source: str, gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Leave out the reports of a source; its secret stays."""
    _switch(source, False, gateway, api_key, project)
