"""The engine from the command line: a repository, a revision, an issue file; prints a plan from evidence alone."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import msgspec

from services.planner.grounding.draft import draft_plan
from services.planner.grounding.model import PlanDraft, Report
from services.planner.grounding.render import as_text
from services.planner.localise.errors import RepositoryError
from services.planner.localise.index import RepositoryIndex
from services.planner.localise.query import split_title

EXIT_OK, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_NOT_FOUND = 0, 1, 2, 6
_MAX_ISSUE_BYTES = 2_000_000


class BadIssueError(Exception):
    """The issue file cannot be used; the text says why and what to do."""


class _Issue(msgspec.Struct):
    title: str = ""
    body: str = ""


def read_issue_file(name: str) -> Report:
    """The report in a file (`-`: standard input): text whose first line is the title, or JSON {title, body}.

    Raises `BadIssueError` when there is nothing to read.
    """
    try:
        raw = sys.stdin.buffer.read(_MAX_ISSUE_BYTES) if name == "-" else _read_limited(Path(name))
    except OSError as error:
        raise BadIssueError(
            f"Cannot read the issue file {name}: {error.strerror}. Give a readable file, or - ."
        ) from error
    text = raw.decode("utf-8", "replace").strip()
    if not text:
        raise BadIssueError(f"The issue {name} is empty. Write a title on the first line and the report below it.")
    if text.startswith("{"):
        try:
            issue = msgspec.json.decode(text.encode(), type=_Issue)
        except msgspec.DecodeError:
            issue = _Issue()  # a report may well begin with a brace
        if issue.title or issue.body:
            return Report(title=issue.title or split_title(issue.body)[0], body=issue.body)
    title, body = split_title(text)
    return Report(title=title, body=body)


def _read_limited(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_ISSUE_BYTES)


def plan_offline(repo: str, rev: str, report: Report, cache_dir: str | None = None) -> PlanDraft:
    """Index, rank and draft; raises `RepositoryError`."""
    started = time.perf_counter()
    index = RepositoryIndex.build(repo, rev, cache_dir)
    try:
        draft = draft_plan(index, [report])
    finally:
        index.close()
    total = round((time.perf_counter() - started) * 1000, 1)
    return msgspec.structs.replace(draft, timings_ms={**draft.timings_ms, **index.timings_ms, "total": total})


def main(repo: str, rev: str, issue_file: str, as_json: bool, cache_dir: str | None = None) -> int:
    """Prints the plan; 0 done, 2 the issue cannot be read, 6 no such repository or revision, 1 git failed."""
    try:
        report = read_issue_file(issue_file)
    except BadIssueError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_BAD_INPUT
    try:
        draft = plan_offline(repo, rev, report, cache_dir)
    except RepositoryError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_NOT_FOUND if error.kind in ("not_a_repository", "unknown_revision") else EXIT_FAILED
    output = msgspec.json.encode(draft) if as_json else as_text(draft).encode("utf-8", "replace")
    sys.stdout.buffer.write(output + b"\n")
    sys.stdout.buffer.flush()
    return EXIT_OK


def run(arguments: list[str]) -> int:
    """Parses a command line; argparse itself answers bad ones with exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m services.planner.localise", description="Plan a fix from a repository and an issue, offline."
    )
    parser.add_argument("--repo", required=True, help="git working copy or bare repository")
    parser.add_argument("--rev", default="HEAD", help="branch, tag or commit (default HEAD)")
    parser.add_argument("--issue", required=True, help="text or JSON {title, body}; - reads standard input")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--cache-dir", default=None, help="keep the index here between runs")
    chosen = parser.parse_args(arguments)
    return main(chosen.repo, chosen.rev, chosen.issue, chosen.json, chosen.cache_dir)
