"""Data on stdout, all else on stderr; tables for people, JSON for scripts; no report drives the terminal."""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

Format = Literal["table", "json", "ndjson", "name"]
Columns = Sequence[tuple[str, str]]
TONES = {
    **dict.fromkeys(("success", "pr_opened", "resolved", "ok"), "green"),
    **dict.fromkeys(("failed", "fail", "revoked"), "red"),
    **dict.fromkeys(("needs_review", "warn"), "yellow"),
    **dict.fromkeys(("running", "fixing"), "cyan"),
    **dict.fromkeys(("cancelled", "dismissed"), "dim"),
}

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, links, clipboard
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # CSI
    r"|\x1b[@-Z\\-_]?"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_SGR = re.compile(r"\x1b\[[0-9;:]*m")

err = Console(stderr=True, highlight=False)


def say(text: str, *, style: str = "") -> None:
    """A line for people, on stderr; never wrapped by us, never markup."""
    err.print(text, style=style or None, markup=False, highlight=False, soft_wrap=True)


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


def colourful() -> bool:
    """Whether colours may be printed on stdout: a terminal that takes them, and no NO_COLOR (no-color.org)."""
    return is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def emit(
    rows: Any, *, fmt: Format, columns: Columns = (), screen: Columns | None = None, empty: str = "Nothing here."
) -> None:
    """Print rows (a list of objects, or one object): a table of (title, key), JSON, NDJSON, or ids alone.

    ``screen`` are the columns on a terminal when they differ from those in a pipe, which scripts rely on.
    """
    listed = rows if isinstance(rows, list) else [rows]
    if fmt == "json":
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif fmt == "ndjson":
        for row in listed:
            print(json.dumps(row, ensure_ascii=False))
    elif fmt == "name":
        for row in listed:
            print(plain(row.get("id") or row.get("job_id") or row.get("name") or ""))
    elif not rows:
        say(empty)
    elif is_terminal():
        _table(listed, screen or columns)
    else:
        _lines(listed, columns)


def detail(pairs: Sequence[tuple[str, object]]) -> None:
    """One thing, a line a property; what is empty is left out. In a pipe separated by a tab."""
    kept = [(name, plain(value)) for name, value in pairs if value not in (None, "", [])]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        if is_terminal():
            lines = value.split("\n")
            tone = TONES.get(value, "") if name == "Status" else ""
            _out().print(Text(name.ljust(width + 2), "bold") + Text(lines[0], tone), soft_wrap=True)
            for line in lines[1:]:
                _out().print(Text(" " * (width + 2) + line), soft_wrap=True)
        else:
            print(f"{name.lower()}\t{value.replace(chr(10), ' ')}")


def _out() -> Console:
    return Console(highlight=False)


def _lines(rows: Iterable[Mapping[str, Any]], columns: Columns) -> None:
    """One row a line, tab separated, so that cut and awk work."""
    print("\t".join(title.lower() for title, _ in columns))
    for row in rows:
        print("\t".join(plain(_cell(row, key)).replace("\n", " ").replace("\t", " ") for _, key in columns))


def _table(rows: Iterable[Mapping[str, Any]], columns: Columns) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, _ in columns:
        fixed = title in ("ID", "Report", "Status", "Tries", "State", "Age", "Reports", "Check")
        table.add_column(title, overflow="fold" if title in ("Result", "Gateway") else "ellipsis", no_wrap=fixed)
    for row in rows:
        cells = [plain(_cell(row, key)).replace("\n", " ") for _, key in columns]
        table.add_row(*(Text(cell, TONES.get(cell, "")) for cell in cells))
    _out().print(table)


def _cell(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    return ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)


def ago(stamp: object, now: datetime | None = None) -> str:
    """How long since an RFC 3339 time, in its largest unit; the text itself when it is no time."""
    try:
        then = datetime.fromisoformat(str(stamp))
    except ValueError:
        return "" if stamp is None else str(stamp)
    seconds = max(0, int(((now or datetime.now(UTC)) - then).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def span(seconds: float) -> str:
    """A duration as people say it: ``0:07``, ``12:30``, ``1:02:03``."""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
