"""The engine over a file: JSON lines in arrival order in, one line per report out.

In: `id, source, title, body, created_at?, stacktrace?`. Out: `id, cluster, candidates` (up to five earlier
report ids, best first). Nothing is written unless every line was read.
"""

import contextlib
import errno
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.triage.engine.engine import Config, Engine
from services.triage.engine.types import Report

Vector = NDArray[np.float32]
Embed = Callable[[Sequence[Report]], Sequence[Vector | None]]
WINDOW: Final = 1_024  # reports that are embedded at once


class BadLine(Exception):
    """A line that is no report; the text says which and why."""


def _text(row: dict[str, Any], key: str, line: int) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadLine(f"line {line}: {key} must be text or null, got {type(value).__name__}")
    return value


def moment_of(value: object) -> datetime | None:
    """A date of a report: ISO 8601 text, or seconds or milliseconds since 1970. None when absent or unreadable
    (a report with a strange date is still a report)."""
    try:
        if isinstance(value, str) and value.strip():
            found = datetime.fromisoformat(value.strip())
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return datetime.fromtimestamp(value / 1000 if value > 1e11 else value, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def report_of(row: object, line: int) -> Report:
    """One parsed line as a report. Raises BadLine."""
    if not isinstance(row, dict):
        raise BadLine(f"line {line}: expected a JSON object, got {type(row).__name__}")
    identity = row.get("id")
    if not isinstance(identity, str) or not identity:
        raise BadLine(f"line {line}: id is missing or not text")
    return Report(
        id=identity, source=_text(row, "source", line), title=_text(row, "title", line),
        body=_text(row, "body", line), created_at=moment_of(row.get("created_at")),
        stacktrace=_text(row, "stacktrace", line) or None, fingerprint=_text(row, "fingerprint", line) or None,
    )  # fmt: skip


def read(lines: Iterable[bytes]) -> Iterator[Report]:
    """Reports of a JSON Lines file. Raises BadLine with the number of the first bad line."""
    seen: dict[str, int] = {}
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        try:
            row = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise BadLine(f"line {number}: not valid JSON ({error})") from None
        report = report_of(row, number)
        if report.id in seen:
            raise BadLine(f"line {number}: id {report.id!r} was already used on line {seen[report.id]}")
        seen[report.id] = number
        yield report


def cluster(
    reports: Sequence[Report], config: Config | None = None, embed: Embed | None = None
) -> list[dict[str, Any]]:
    """Output rows `id, cluster, candidates` in arrival order; clusters as they stand after the last report."""
    engine = Engine(config)
    rows: list[dict[str, Any]] = []
    for start in range(0, len(reports), WINDOW):
        window = reports[start : start + WINDOW]
        vectors = embed(window) if embed else [None] * len(window)
        for report, vector in zip(window, vectors, strict=True):
            found = engine.assign(report, vector)
            rows.append({"id": report.id, "cluster": "", "candidates": list(found.candidates)})
    for row in rows:
        row["cluster"] = engine.cluster_of(row["id"])
    return rows


def main(source: str | Path, target: str | Path, config: Config | None = None, embed: Embed | None = None) -> int:
    """Clusters a file into another. Returns the exit code: 0, or 2 with a message on standard error and no output.

    What `embed` raises is passed on, with no output either.
    """
    try:
        _check(Path(target))  # before the long part
        with Path(source).open("rb") as lines:
            rows = cluster(list(read(lines)), config, embed)
        _write(Path(target), rows)
    except BadLine as error:
        return _fail(f"{source}: {error}. Nothing was written; mend the line and run again.")
    except OSError as error:
        return _fail(f"{source if error.filename == str(source) else target}: {error.strerror}. Nothing was written.")
    return 0


def _fail(text: str) -> int:
    sys.stderr.write(text + "\n")
    return 2


def _check(target: Path) -> None:
    if target.is_dir():
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not target.resolve().parent.is_dir() and not target.exists():
        raise OSError(errno.ENOENT, "its folder does not exist", str(target))


def _write(target: Path, rows: list[dict[str, Any]]) -> None:
    """Writes beside the target, then renames: a reader never sees half a file. A link is followed."""
    if target.exists() and not target.is_file():  # a pipe or a terminal
        with target.open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)
        return
    target = target.resolve()
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)
        beside.replace(target)
    except BaseException:  # also an interrupt must not leave the temporary file behind
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
