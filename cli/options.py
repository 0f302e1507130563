"""Options shared by commands, and the runner of their coroutines."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, TypeVar

import typer

from cli.client import Gateway
from cli.context import resolve
from cli.errors import CliError, Exit
from cli.output import Format

T = TypeVar("T")

# The environment is read where the target is resolved, after every flag, wherever the flag stands.
Url = Annotated[str | None, typer.Option("--gateway", help="Gateway URL, else SOULCASTER_GATEWAY.")]
Key = Annotated[str | None, typer.Option("--api-key", help="API key, else SOULCASTER_API_KEY.")]
Project = Annotated[str | None, typer.Option("--project", help="Project id, else SOULCASTER_PROJECT.")]
Output = Annotated[str, typer.Option("-o", "--output", help="table, json, ndjson, or name (ids alone).")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@dataclass(frozen=True, slots=True)
class Given:
    """Options that stand before the command; those after it win."""

    gateway: str | None = None
    api_key: str | None = None
    project: str | None = None
    context: str | None = None
    no_input: bool = False


GIVEN: ContextVar[Given] = ContextVar("given", default=Given())  # noqa: B039  frozen, so sharing it is harmless


def output_format(value: str) -> Format:
    """The format named by -o; raises CliError for an unknown one."""
    known: dict[str, Format] = {"table": "table", "json": "json", "ndjson": "ndjson", "name": "name"}
    if value in known:
        return known[value]
    raise CliError(f"-o {value} is not known", next_step="-o table, json, ndjson or name", code=Exit.USAGE)


def with_gateway(url: str | None, key: str | None, project: str | None, action: Callable[[Gateway], Awaitable[T]]) -> T:
    """Run ``action`` with a session to the resolved gateway."""
    given = GIVEN.get()

    async def run() -> T:
        target = resolve(url or given.gateway, key or given.api_key, project or given.project, given.context)
        async with Gateway(target) as gateway:
            return await action(gateway)

    return asyncio.run(run())


def may_ask() -> bool:
    """Whether there is a person to ask: both ends are a terminal and nobody said --no-input."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not GIVEN.get().no_input


def confirm(question: str, *, yes: bool) -> None:
    """Ask before an act that cannot be undone; where nobody can be asked the flag --yes is needed."""
    if yes:
        return
    if not may_ask():
        raise CliError("this needs a yes", why=question, next_step="the same command with --yes", code=Exit.USAGE)
    if not typer.confirm(question, err=True):
        raise CliError("nothing was done", code=Exit.CANCELLED)
