"""``context``: gateways this command knows, as kubectl has it."""

import asyncio
import re
from typing import Any

import typer

from cli.client import Gateway
from cli.context import Target, address, config_path, load_contexts, save_contexts
from cli.errors import CliError, Exit
from cli.options import GIVEN, Key, Output, Project, Url, output_format
from cli.output import emit, say

contexts = typer.Typer(no_args_is_help=True, help="Gateways this command knows.")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")


@contexts.command("add")
def context_add(name: str, gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Remember a gateway under a name and use it from now on."""
    given = GIVEN.get()
    url, key = gateway or given.gateway, api_key or given.api_key or ""
    if not _NAME.match(name) or name == "none":
        raise CliError(f"{name} cannot be a name", why="Letters, digits, _ . and - make one.", code=Exit.USAGE)
    if not url:
        raise CliError(
            "--gateway is missing", next_step=f"soulcaster context add {name} --gateway URL", code=Exit.USAGE
        )
    known = load_contexts()
    target = Target(address(url), key, project or given.project or "default")
    known["contexts"][name] = {"gateway": target.gateway, "api_key": target.api_key, "project": target.project}
    known["current"] = name
    save_contexts(known)
    say(f"Using {name}, kept in {config_path()}.")
    if problem := asyncio.run(_tried(target)):
        say(f"It was kept, but: {problem.what}" + (f". Try: {problem.next_step}" if problem.next_step else ""))


async def _tried(target: Target) -> CliError | None:
    """What stands in the way of using it now; None when it answers."""
    try:
        async with Gateway(target) as session:
            await session.call("GET", "/session", timeout=5)
    except CliError as error:
        return error
    return None


@contexts.command("use")
def context_use(name: str) -> None:
    """Choose a remembered gateway; `none` goes back to the local one."""
    known = load_contexts()
    if name != "none" and name not in known["contexts"]:
        raise CliError(f"no context {name}", next_step="soulcaster context list", code=Exit.NOT_FOUND)
    known["current"] = None if name == "none" else name
    save_contexts(known)
    say("Using the gateway of `soulcaster up`." if name == "none" else f"Using {name}.")


@contexts.command("remove")
def context_remove(name: str) -> None:
    """Forget a gateway and its key."""
    known = load_contexts()
    if known["contexts"].pop(name, None) is None:
        raise CliError(f"no context {name}", next_step="soulcaster context list", code=Exit.NOT_FOUND)
    known["current"] = None if known["current"] == name else known["current"]
    save_contexts(known)
    say(f"Forgot {name}.")


@contexts.command("list")
def context_list(output: Output = "table") -> None:
    """Remembered gateways; keys are not shown."""
    known = load_contexts()
    rows: list[dict[str, Any]] = [
        {"name": name, "gateway": c.get("gateway"), "project": c.get("project"), "current": known["current"] == name}
        for name, c in known["contexts"].items()
    ]
    columns = [("Name", "name"), ("Gateway", "gateway"), ("Project", "project"), ("Current", "current")]
    emit(rows, fmt=output_format(output), columns=columns, empty="No contexts. The gateway of `soulcaster up` is used.")
