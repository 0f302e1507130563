"""Options shared by commands, and the runner of their coroutines."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from cli.client import Gateway
from cli.context import resolve
from cli.errors import CliError, Exit
from cli.output import Format, is_terminal

T = TypeVar("T")

Url = Annotated[str | None, typer.Option("--gateway", help="Gateway URL.", envvar="SOULCASTER_GATEWAY")]
Key = Annotated[str | None, typer.Option("--api-key", help="API key.", envvar="SOULCASTER_API_KEY")]
Project = Annotated[str | None, typer.Option("--project", help="Project id.", envvar="SOULCASTER_PROJECT")]
Output = Annotated[str, typer.Option("-o", "--output", help="table, json or ndjson.")]


def output_format(value: str) -> Format:
    """The format named by -o; raises CliError for an unknown one."""
    known: dict[str, Format] = {"table": "table", "json": "json", "ndjson": "ndjson"}
    if value in known:
        return known[value]
    raise CliError(f"-o {value} is not known", next_step="-o table, -o json or -o ndjson", code=Exit.USAGE)


def with_gateway(url: str | None, key: str | None, project: str | None, action: Callable[[Gateway], Awaitable[T]]) -> T:
    """Run ``action`` with a session to the resolved gateway."""

    async def run() -> T:
        async with Gateway(resolve(url, key, project)) as gateway:
            return await action(gateway)

    return asyncio.run(run())


def confirm(question: str, *, yes: bool) -> None:
    """Ask before an act that cannot be undone; without a terminal the flag --yes is needed."""
    if yes:
        return
    if not is_terminal():
        raise CliError("this needs a yes", next_step="the same command with --yes", code=Exit.USAGE)
    if not typer.confirm(question):
        raise CliError("nothing was done", code=Exit.CANCELLED)
