"""``runners``, ``dead-letters``, ``context``, ``api`` and ``version``."""

import json
from importlib.metadata import version as installed_version
from typing import Annotated, Any

import typer

from cli.client import Gateway
from cli.context import load_contexts, save_contexts
from cli.errors import CliError, Exit
from cli.options import Key, Output, Project, Url, confirm, output_format, with_gateway
from cli.output import emit, err

dead = typer.Typer(no_args_is_help=True, help="What no service could process: list, retry, drop.")
contexts = typer.Typer(no_args_is_help=True, help="Gateways this command knows.")


def runners(output: Output = "table", gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Runners alive, what they can do, and their load."""
    found = with_gateway(gateway, api_key, project, lambda session: session.call("GET", "/runners"))
    rows = found.get("items", found) if isinstance(found, dict) else found
    columns = [("Runner", "runner"), ("Instance", "instance"), ("Sandbox", "sandbox"), ("Agent", "agent")]
    columns += [("Slots", "slots"), ("Busy", "busy"), ("Problem", "problem")]
    emit(rows, fmt=output_format(output), columns=columns, empty="No runner is alive. Try: soulcaster doctor")


@dead.command("list")
def dead_list(output: Output = "table", gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Dead letters with the reason."""
    found = with_gateway(gateway, api_key, project, lambda session: session.call("GET", "/dead-letters"))
    rows = found.get("items", found) if isinstance(found, dict) else found
    columns = [("ID", "id"), ("Service", "service"), ("Subject", "subject"), ("Reason", "reason"), ("At", "at")]
    emit(rows, fmt=output_format(output), columns=columns, empty="Nothing is stuck.")


@dead.command("retry")
def dead_retry(letter: str, gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Send a dead letter back to its service."""
    path = f"/dead-letters/{letter}/retry"
    with_gateway(gateway, api_key, project, lambda session: session.call("POST", path, body={}))
    err.print("Sent back.")


@dead.command("drop")
def dead_drop(
    letter: str,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Delete a dead letter for good."""
    confirm(f"Drop {letter} for good?", yes=yes)
    with_gateway(gateway, api_key, project, lambda session: session.call("DELETE", f"/dead-letters/{letter}"))
    err.print("Dropped.")


@contexts.command("add")
def context_add(name: str, gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Remember a gateway under a name and use it from now on."""
    if not gateway:
        raise CliError(
            "--gateway is missing", next_step=f"soulcaster context add {name} --gateway URL", code=Exit.USAGE
        )
    known = load_contexts()
    known["contexts"][name] = {"gateway": gateway, "api_key": api_key or "", "project": project or "default"}
    known["current"] = name
    save_contexts(known)
    err.print(f"Using {name}.", markup=False)


@contexts.command("use")
def context_use(name: str) -> None:
    """Choose a remembered gateway; ``none`` goes back to the local one."""
    known = load_contexts()
    if name != "none" and name not in known["contexts"]:
        raise CliError(f"no context {name}", next_step="soulcaster context list", code=Exit.NOT_FOUND)
    known["current"] = None if name == "none" else name
    save_contexts(known)


@contexts.command("list")
def context_list(output: Output = "table") -> None:
    """Remembered gateways; keys are not shown."""
    known = load_contexts()
    rows = [
        {"name": name, "gateway": c.get("gateway"), "project": c.get("project"), "current": known["current"] == name}
        for name, c in known["contexts"].items()
    ]
    columns = [("Name", "name"), ("Gateway", "gateway"), ("Project", "project"), ("Current", "current")]
    emit(rows, fmt=output_format(output), columns=columns, empty="No contexts. The gateway of `soulcaster up` is used.")


def api(
    method: str,
    path: str,
    body: Annotated[str | None, typer.Option(help="A JSON body.")] = None,
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Call any route of the gateway and print the answer."""
    try:
        content = json.loads(body) if body else None
    except ValueError as error:
        raise CliError("--body is not JSON", why=str(error), code=Exit.USAGE) from error

    async def act(session: Gateway) -> Any:
        return await session.call(method.upper(), path, body=content)

    answer = with_gateway(gateway, api_key, project, act)
    typer.echo(answer if isinstance(answer, str) else json.dumps(answer, indent=2, ensure_ascii=False))


def version(json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """The installed version."""
    number = installed_version("soulcaster")
    typer.echo(json.dumps({"soulcaster": number}) if json_ else f"soulcaster {number}")
