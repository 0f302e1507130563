"""Commits that may have brought the defect in: recent changes of the candidate files, never newer than the base."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from services.planner.grounding.model import SuspectCommit
from services.planner.localise.history import Commit
from services.planner.localise.index import RepositoryIndex
from services.planner.localise.query import Query
from services.planner.localise.results import Candidate

_DAY = 86_400
_WINDOW_DAYS = 180
_MAX_FILES = 30
_HEX = re.compile(r"(?<![\w/])[0-9a-f]{7,40}(?!\w)")
_VERSION_SINCE = re.compile(
    r"\b(?:since|after (?:upgrad\w+|updat\w+)|regression|worked (?:in|with|before)|no longer)\b", re.I
)


def is_regression(text: str) -> bool:
    """True when the report says that it used to work."""
    return bool(_VERSION_SINCE.search(text))


def suspect_commits(
    index: RepositoryIndex,
    candidates: list[Candidate],
    query: Query,
    text: str = "",
    *,
    since: int | None = None,
    limit: int = 5,
) -> list[SuspectCommit]:
    """Commits of the 180 days before the base (or since `since`, unix seconds, less 30 days) on the first candidates.

    Ordered by the rank of the files they changed, likeness of their message to the report, and recency. A commit the
    report itself names comes first, whatever its age.
    """
    commits = index.commits
    newest = index.commit_time
    oldest = newest - _WINDOW_DAYS * _DAY if since is None else min(since, newest) - 30 * _DAY
    places = {c.path: rank for rank, c in enumerate(candidates[:8])}
    alike = dict(index.history_of(index.sources).similar_commits(query.mix)) if len(index.sources) else {}
    best = max(alike.values(), default=1.0)
    named = set(_HEX.findall(text))
    scored: list[tuple[float, int, list[str]]] = []
    for number, commit in enumerate(commits):
        cited = any(commit.sha.startswith(h) for h in named)
        touched = [f for f in commit.files if f in places]
        if not cited and (not oldest <= commit.time <= newest or commit.file_count > _MAX_FILES or not touched):
            continue
        age = max(0.0, (newest - commit.time) / (_WINDOW_DAYS * _DAY))
        weight = sum(1.0 / (1 + places[f]) for f in touched) + 1.5 * alike.get(number, 0.0) / best + 0.5 * (1 - age)
        scored.append((weight + (10.0 if cited else 0.0), number, touched))
    scored.sort(key=lambda item: (-item[0], item[1]))
    return [_suspect(commits[n], touched, newest, n in alike, weight >= 10) for weight, n, touched in scored[:limit]]


def _suspect(commit: Commit, touched: list[str], newest: int, alike: bool, cited: bool) -> SuspectCommit:
    days = max(0, (newest - commit.time) // _DAY)
    age = f"{days} day{'' if days == 1 else 's'} before" if days else "less than a day before"
    when = f"{age} the base commit ({datetime.fromtimestamp(commit.time, UTC):%Y-%m-%d})"
    what = "named in the report; " if cited else ""
    where = f"changed {', '.join(f'`{f}`' for f in touched[:3])} {when}" if touched else f"made {when}"
    words = "; its message shares words with the report" if alike else ""
    return SuspectCommit(commit.sha, commit.subject, commit.author, commit.time, touched, f"{what}{where}{words}")
