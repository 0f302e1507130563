"""``runners``, ``dead-letters``, ``api`` and ``version``."""

import json
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

import typer

from cli.client import Gateway
from cli.errors import CliError, Exit
from cli.options import Key, Output, Project, Url, Yes, confirm, output_format, with_gateway
from cli.output import detail, emit, plain, say

dead = typer.Typer(no_args_is_help=True, help="What no service could process: list, retry, drop.")
Letter = Annotated[str, typer.Argument(help="The dead letter's id.")]


def runners(output: Output = "table", gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Runners alive, what they can do, and their load."""
    found = with_gateway(gateway, api_key, project, lambda session: session.call("GET", "/runners"))
    rows = [{"id": row.get("instance"), **row} for row in found["items"]]
    columns = [("Runner", "runner"), ("Instance", "instance"), ("Sandbox", "sandbox"), ("Agent", "agent")]
    columns += [("Slots", "slots"), ("Busy", "busy"), ("Problem", "problem")]
    emit(rows, fmt=output_format(output), columns=columns, empty="No runner is alive. Try: soulcaster doctor")


@dead.command("list")
def dead_list(
    limit: Annotated[int, typer.Option(min=1, max=5000, help="How many at most.")] = 100,
    output: Output = "table",
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Dead letters with the reason."""
    rows = with_gateway(gateway, api_key, project, lambda session: session.pages("/dead-letters", limit=limit))
    columns = [("ID", "id"), ("Service", "service"), ("Subject", "subject"), ("Reason", "reason"), ("At", "at")]
    emit(rows, fmt=output_format(output), columns=columns, empty="Nothing is stuck.")


@dead.command("show")
def dead_show(
    letter: Letter, output: Output = "table", gateway: Url = None, api_key: Key = None, project: Project = None
) -> None:
    """One dead letter with its payload."""
    fmt = output_format(output)

    async def act(session: Gateway) -> dict[str, Any]:
        for one in await session.pages("/dead-letters", limit=5000):
            if one["id"] == letter:
                return dict(one)
        raise CliError("Dead letter not found", next_step="soulcaster dead-letters list", code=Exit.NOT_FOUND)

    found = with_gateway(gateway, api_key, project, act)
    if fmt != "table":
        emit(found, fmt=fmt)
        return
    names = ("id", "service", "subject", "reason", "deliveries", "at", "data")
    detail([(name.capitalize() if name != "id" else "ID", found.get(name)) for name in names])


@dead.command("retry")
def dead_retry(letter: Letter, gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Send a dead letter back to its service."""
    path = f"/dead-letters/{letter}/retry"
    with_gateway(gateway, api_key, project, lambda session: session.call("POST", path, body={}))
    say("Sent back.")


@dead.command("drop")
def dead_drop(
    letter: Letter,
    yes: Yes = False,
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Delete a dead letter for good."""
    confirm(f"Drop {letter} for good?", yes=yes)
    with_gateway(gateway, api_key, project, lambda session: session.call("DELETE", f"/dead-letters/{letter}"))
    say("Dropped.")


def api(
    method: Annotated[str, typer.Argument(help="GET, POST, PUT, PATCH or DELETE.")],
    path: Annotated[str, typer.Argument(help="For example /stats, with its query if any.")],
    body: Annotated[str | None, typer.Option(help="A JSON body; @FILE reads one, @- standard input.")] = None,
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Call any route of the gateway and print the answer."""
    if method.upper() not in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        raise CliError(f"{method} is no method", next_step="soulcaster api GET /stats", code=Exit.USAGE)
    if "://" in path:
        raise CliError("a path, not an address, is needed", next_step="soulcaster api GET /stats", code=Exit.USAGE)
    parts = urlsplit("/" + path.lstrip("/"))
    content = _body(body)

    async def act(session: Gateway) -> Any:
        return await session.call(method.upper(), parts.path, body=content, params=dict(parse_qsl(parts.query)))

    answer = with_gateway(gateway, api_key, project, act)
    typer.echo(plain(answer) if isinstance(answer, str) else json.dumps(answer, indent=2, ensure_ascii=False))


def _body(given: str | None) -> Any:
    if given is None:
        return None
    try:
        if given.startswith("@"):
            given = sys.stdin.read() if given == "@-" else Path(given[1:]).read_text(encoding="utf-8")
        return json.loads(given)
    except OSError as error:
        raise CliError(f"cannot read {given[1:]}", why=error.strerror or "", code=Exit.USAGE) from error
    except ValueError as error:
        raise CliError("--body is not JSON", why=str(error), code=Exit.USAGE) from error


def version(json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """The installed version."""
    number = installed_version("soulcaster")
    typer.echo(json.dumps({"soulcaster": number}) if json_ else f"soulcaster {number}")
