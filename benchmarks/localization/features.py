"""Signals of every development case as arrays: what `run.py` scores and `train.py` learns from."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from services.planner.localise.index import RepositoryIndex
from services.planner.localise.query import read_issue
from services.planner.localise.signals import FLAGS, RANKED, compute_signals, rank_scores, share_of_best

COLUMNS = [*(f"{name}:value" for name in RANKED), *(f"{name}:rank" for name in RANKED), *FLAGS]


class Case(NamedTuple):
    """One issue: the row of the data file and the git directory that holds its base commit."""

    row: dict[str, Any]
    git_dir: Path


def load_cases(data: Path, repositories: Path) -> Iterator[Case]:
    """Cases whose repository is found below `repositories`, by repository and commit so caches stay warm."""
    rows = [json.loads(line) for line in data.read_text().splitlines() if line.strip()]
    for row in sorted(rows, key=lambda r: (r["repo"], r["instance_id"])):
        yield Case(row, find_repository(repositories, row["repo"], row["base_commit"]))


def find_repository(folder: Path, name: str, commit: str) -> Path:
    """A git directory below `folder` called like owner+name, owner__name, owner/name or name that holds the commit.

    Mirrors under another owner (x+owner__name) count. FileNotFoundError when none does.
    """
    owner, _, short = name.lower().partition("/")
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        plain = re.sub(r"\.git$", "", entry.name.lower()).replace("__", "+")
        if plain != short and not f"+{plain}".endswith(f"+{owner}+{short}") and plain != owner:
            continue
        for git_dir in (entry, entry / "repo", entry / ".git", entry / short, entry / short / ".git"):
            if (git_dir / "HEAD").exists() and _holds(git_dir, commit):
                return git_dir
    raise FileNotFoundError(f"No repository {name} holding {commit} below {folder}: clone it there as {owner}+{short}.")


def _holds(git_dir: Path, commit: str) -> bool:
    command = ["git", "--git-dir", str(git_dir), "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


class Features(NamedTuple):
    """`matrix` is files x `COLUMNS`; `paths` in the same order."""

    instance: str
    repo: str
    matrix: np.ndarray[Any, Any]
    paths: list[str]
    gold: list[str]


def features_of(case: Case, cache: Path) -> tuple[Features, dict[str, float]]:
    """Features and timings in ms of one case."""
    started = time.perf_counter()
    index = RepositoryIndex.build(case.git_dir, case.row["base_commit"], cache)
    built = time.perf_counter()
    history = index.history
    known = time.perf_counter()
    query = read_issue(case.row["problem_statement"])
    signals = compute_signals(index.sources, history, query)
    columns = [share_of_best(signals.values[n]) for n in RANKED]
    columns += [rank_scores(signals.values[n]) for n in RANKED]
    columns += [signals.values[n] for n in FLAGS]
    done = time.perf_counter()
    index.close()
    timings = {"index": built - started, "history": known - built, "query": done - known}
    found = Features(
        case.row["instance_id"],
        case.row["repo"],
        np.stack(columns, axis=1).astype(np.float32),
        [entry.path for entry in index.sources.files],
        case.row["gold_files"],
    )
    return found, {name: round(seconds * 1000, 1) for name, seconds in timings.items()}
