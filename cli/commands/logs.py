"""``logs``: what a job printed, whole or as it comes, filtered on this side."""

import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from cli.client import Gateway
from cli.errors import CliError, Exit
from cli.options import Key, Output, Project, Url, output_format, with_gateway
from cli.output import colourful, emit, log_line, plain

_SINCE = re.compile(r"^(\d+)(s|m|h|d)\Z")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Chunk = dict[str, Any]


def print_log(lines: list[str], *, raw: bool = False, before: str = "") -> None:
    """Log lines made safe for a terminal; ``raw`` writes them as they are."""
    colour = colourful()
    for line in lines:
        sys.stdout.write(before + (line if raw else log_line(line, colour=colour)) + "\n")
    sys.stdout.flush()


def since_time(text: str, now: datetime) -> datetime:
    """The time that ``10m``, ``2h`` or an RFC 3339 time names; raises CliError."""
    if found := _SINCE.match(text):
        return now - timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CliError(
            f"--since {text} is no time", next_step="30s, 10m, 2h, 1d or 2026-01-31T12:00:00Z", code=Exit.USAGE
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def chooser(attempt: int | None, since: datetime | None, grep: str | None) -> Callable[[Chunk], list[str]]:
    """A function that gives the wanted lines of a chunk; raises CliError for a pattern that is none."""
    try:
        pattern = re.compile(grep) if grep else None
    except re.error as error:
        raise CliError(f"--grep {grep} is not a pattern", why=str(error), code=Exit.USAGE) from error

    def choose(chunk: Chunk) -> list[str]:
        if attempt is not None and chunk.get("attempt") != attempt:
            return []
        if since is not None and datetime.fromisoformat(str(chunk.get("at"))) < since:
            return []
        lines: list[str] = chunk.get("lines", [])
        return lines if pattern is None else [line for line in lines if pattern.search(plain(line))]

    return choose


def logs(
    job_id: Annotated[str, typer.Argument(help="The job.")],
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on until the job ends; resumes by itself.")
    ] = False,
    attempt: Annotated[int | None, typer.Option(min=1, help="Only this attempt.")] = None,
    since: Annotated[str | None, typer.Option(help="Only what is newer: 30s, 10m, 2h, 1d, or a time.")] = None,
    grep: Annotated[str | None, typer.Option(help="Only lines with this regular expression.")] = None,
    timestamps: Annotated[bool, typer.Option("--timestamps", help="The time before each line.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The bytes as stored, nothing added or removed.")] = False,
    output: Output = "table",
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Print a job's log."""
    fmt = output_format(output)
    choose = chooser(attempt, since_time(since, datetime.now(UTC)) if since else None, grep)

    def show(chunk: Chunk) -> None:
        lines = choose(chunk)
        if fmt in ("json", "ndjson"):
            if lines:
                emit({**chunk, "lines": lines}, fmt="ndjson")
                sys.stdout.flush()
        elif lines:
            print_log(lines, raw=raw, before=f"{chunk.get('at')} " if timestamps else "")

    async def act(session: Gateway) -> None:
        if raw and not (follow or attempt or since or grep or timestamps):
            sys.stdout.write(str(await session.call("GET", f"/jobs/{job_id}/logs/raw", timeout=600)))
            return
        if follow:
            async for event in session.events(f"/jobs/{job_id}/logs/stream"):
                if event.name == "end":
                    return
                show(json.loads(event.data))
            return
        await _pages(session, job_id, show)

    with_gateway(gateway, api_key, project, act)


async def _pages(session: Gateway, job_id: str, show: Callable[[Chunk], None]) -> None:
    """All that is stored now, page by page: a log of any length needs the memory of one page."""
    cursor: str | None = None
    while True:
        params = {"limit": "1000"} | ({"cursor": str(cursor)} if cursor is not None else {})
        page = await session.call("GET", f"/jobs/{job_id}/logs", params=params)
        for entry in page.get("entries", []):
            show(entry)
        if not page.get("has_more"):
            return
        cursor = page.get("next_cursor")
