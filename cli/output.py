"""Data on stdout, all else on stderr; tables for people, JSON for scripts; no report drives the terminal."""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

Format = Literal["table", "json", "ndjson"]

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, links, clipboard
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[@-Z\\-_]?"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_SGR = re.compile(r"\x1b\[[0-9;:]*m")

err = Console(stderr=True, highlight=False)


def plain(text: object) -> str:
    """Text with every escape sequence and control character removed; tabs and newlines stay."""
    return _CONTROLS.sub("", _ESCAPES.sub("", str(text)))


def log_line(text: str, *, colour: bool) -> str:
    """A log line safe to print: colours (SGR) stay on a terminal, all other sequences go."""
    if not colour:
        return plain(text)
    kept = _SGR.findall(text)
    pieces = _SGR.split(text)
    safe = "".join(plain(piece) + (kept[i] if i < len(kept) else "") for i, piece in enumerate(pieces))
    return safe + ("\x1b[0m" if kept else "")


def is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()


def emit(rows: Any, *, fmt: Format, columns: Sequence[tuple[str, str]] = (), empty: str = "Nothing here.") -> None:
    """Print rows (a list of objects, or one object) as a table with ``columns`` of (title, key), JSON or NDJSON."""
    if fmt == "json":
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif fmt == "ndjson":
        for row in rows if isinstance(rows, list) else [rows]:
            print(json.dumps(row, ensure_ascii=False))
    elif not rows:
        err.print(empty)
    else:
        _table(rows if isinstance(rows, list) else [rows], columns)


def _table(rows: Iterable[dict[str, Any]], columns: Sequence[tuple[str, str]]) -> None:
    if not is_terminal():  # one row a line, tab separated, so that cut and awk work
        print("\t".join(title.lower() for title, _ in columns))
        for row in rows:
            print("\t".join(plain(_cell(row, key)).replace("\n", " ").replace("\t", " ") for _, key in columns))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, _ in columns:
        table.add_column(title, overflow="ellipsis", no_wrap=title in ("ID", "JOB"))
    for row in rows:
        table.add_row(*(plain(_cell(row, key)).replace("[", r"\[") for _, key in columns))
    Console(highlight=False).print(table)


def _cell(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if value is None:
        return ""
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
