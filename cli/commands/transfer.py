"""``export`` and ``import``: a project's data as JSON lines, into a file and into any project."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli.client import Gateway
from cli.errors import CliError, Exit
from cli.options import Key, Project, Url, with_gateway
from cli.output import err, say

PART: Final = 600_000  # bytes of lines in one request, of the MiB that a body may have
LINES: Final = 5_000
SHOWN: Final = 20


def export(
    file: Annotated[Path, typer.Argument(help="Where to; `-` is standard output.")],
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Write all reports, clusters, corrections and history of a project as JSON lines."""
    lines = with_gateway(gateway, api_key, project, _all_lines)
    text = "".join(line + "\n" for line in lines)
    if str(file) == "-":
        sys.stdout.write(text)
        return
    part = file.with_name(file.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise CliError(f"cannot write {file}", why=error.strerror or str(error), code=Exit.USAGE) from error
    say(f"Wrote {len(lines)} lines to {file}.")


async def _all_lines(session: Gateway) -> list[str]:
    lines: list[str] = []
    cursor: str | None = None
    while True:
        page = await session.call("GET", "/export", params={"limit": "1000"} | ({"cursor": cursor} if cursor else {}))
        lines += page["lines"]
        cursor = page["next_cursor"]
        if cursor is None:
            return lines


def take_in(
    file: Annotated[str, typer.Argument(help="A file of `soulcaster export`; `-` is standard input.")],
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Take an export into a project; what is there already stays as it is.

    The file may come from any project of any Soulcaster. Lines that are none are named and left out: exit code 1.
    """
    lines = _read(file)

    async def act(session: Gateway) -> tuple[dict[str, int], list[str]]:
        counts = dict.fromkeys(("feedback", "clusters", "constraints", "skipped"), 0)
        wrong: list[str] = []
        for part in _parts(lines):
            found = await _send(session, [text for _, text in part])
            counts = {name: counts[name] + found.get(name, 0) for name in counts}
            wrong += [_told(error, part) for error in found["errors"]]
        return counts, wrong

    counts, wrong = with_gateway(gateway, api_key, project, act)
    say(f"{counts['feedback']} reports and {counts['clusters']} clusters are new, {counts['skipped']} were there.")
    for line in wrong[:SHOWN]:
        err.print(line, markup=False)
    if wrong:
        raise CliError(f"{len(wrong)} lines of {file} were left out", next_step="mend them and import again")


async def _send(session: Gateway, lines: list[str]) -> dict[str, Any]:
    """The answer; also where not one line of the part could be read."""
    try:
        return dict(await session.call("POST", "/import", body={"lines": lines}, timeout=180.0))
    except CliError as error:
        if error.kind != "invalid" or "No line could be read" not in str(error):
            raise
        return {"errors": [{"field": f"lines[{n}]", "reason": "cannot be read"} for n in range(1, len(lines) + 1)]}


def _told(error: dict[str, Any], part: list[tuple[int, str]]) -> str:
    field = str(error["field"])
    place = field.removeprefix("lines[").removesuffix("]")
    where = f"line {part[int(place) - 1][0]}" if place.isdigit() and int(place) <= len(part) else field
    return f"{where}: {error['reason']}"


def _read(name: str) -> list[str]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CliError(f"cannot read {name}", why=error.strerror or str(error), code=Exit.USAGE) from error
    except UnicodeDecodeError as error:
        raise CliError(f"{name} is not UTF-8 text", why=str(error), code=Exit.USAGE) from error
    if not text.strip():
        raise CliError(f"{name} is empty", next_step="soulcaster export FILE makes one", code=Exit.USAGE)
    return text.split("\n")


def _parts(lines: list[str]) -> Iterator[list[tuple[int, str]]]:
    """Numbered lines in pieces that a request may hold, in order."""
    part: list[tuple[int, str]] = []
    size = 0
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        length = len(json.dumps(text)) + 2
        if part and (size + length > PART or len(part) >= LINES):
            yield part
            part, size = [], 0
        part.append((number, text))
        size += length
    if part:
        yield part
