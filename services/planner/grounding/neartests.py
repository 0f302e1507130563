"""Existing tests nearest to the candidate files: by name, imports, shared past commits and the report's words."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from services.planner.grounding.model import NearTest
from services.planner.localise.fields import best_of_groups
from services.planner.localise.index import RepositoryIndex
from services.planner.localise.paths import stem_of
from services.planner.localise.query import Query
from services.planner.localise.results import Candidate
from services.planner.localise.signals import order_of, share_of_best

BY_WORDS = "its code shares words with the report"
_LOOKED_AT = 5
_TEST_MARK = re.compile(r"(?:^test[_s\-]*|[_\-]?tests?$|[_\-]spec$|^tests?(?=[A-Z])|Tests?$|Spec$|TestCase$)")
_TEST_FOLDERS = frozenset({"test", "tests", "spec", "specs", "__tests__"})
_GENERIC = frozenset({"utils", "base", "index", "core", "models", "common", "main", "types", "helpers", "conftest"})
_DATA = re.compile(r"(?:^|/)(?:samples|fixtures?|__fixtures__|testdata|test_data|__snapshots__|data)/")
_SUPPORT = re.compile(r"(?:^|/)(?:conftest\.py|__init__\.py|fixtures?/|testdata/|__snapshots__/|models\.py|urls\.py)")


def nearest_tests(index: RepositoryIndex, candidates: list[Candidate], query: Query, limit: int = 5) -> list[NearTest]:
    """Test files with definitions or test code, nearest first; empty when the repository has none."""
    corpus = index.tests
    if not len(corpus) or not candidates:
        return []
    score = 0.9 * share_of_best(best_of_groups(corpus.chunks.score(query.mix), corpus.chunk_owner, len(corpus), 3))
    score += 0.5 * share_of_best(corpus.paths.score(query.mix))
    reasons: dict[int, list[str]] = {}
    together = _cochanges(index, candidates)
    named = [_test_names(entry.path) for entry in corpus.files]
    for rank, candidate in enumerate(candidates[:_LOOKED_AT]):
        weight = min(1.0 / (1 + rank / 2), max(0.15, candidate.share / max(candidates[0].share, 0.01)))
        stem, module = _plain(stem_of(candidate.path)), _module_of(candidate.path)
        alike = sum(stem in names for names in named) + len(index.sources.stems.get(stem, ())) - 1
        for number, entry in enumerate(corpus.files):
            if stem in named[number]:
                score[number] += np.float32(weight * (0.3 if stem in _GENERIC else 1.2 / max(1, alike) ** 0.5))
                reasons.setdefault(number, []).append(f"named after `{candidate.path}`")
            elif module and any(_imports(line, module) for line in corpus.imports[number].split("\n")):
                score[number] += np.float32(weight * 0.4)
                reasons.setdefault(number, []).append(f"imports `{candidate.path}`")
            count, of = together.get((candidate.path, entry.path), 0), together.get((candidate.path, ""), 0)
            if count > 1:
                score[number] += np.float32(weight * 1.5 * count / (of + 3))
                reasons.setdefault(number, []).append(
                    f"changed with `{candidate.path}` in {count} of {of} past commits"
                )
    for number, entry in enumerate(corpus.files):
        if not corpus.has_tests[number] or _DATA.search(entry.path):
            score[number] *= np.float32(0.3)
    kept = [
        int(n) for n in order_of(score)[: limit * 3] if score[n] > 0.3 and not _SUPPORT.search(corpus.files[n].path)
    ]
    return [_near(corpus.files[n].path, float(score[n]), reasons.get(n, []), corpus.has_tests[n]) for n in kept[:limit]]


def _near(path: str, score: float, reasons: list[str], holds_tests: bool) -> NearTest:
    reason = "; ".join(reasons[:2]) or BY_WORDS
    return NearTest(path, round(score, 3), reason, None, holds_tests)


def _cochanges(index: RepositoryIndex, candidates: list[Candidate]) -> Counter[tuple[str, str]]:
    """(candidate, test) -> commits that changed both; (candidate, "") -> commits that changed the candidate."""
    counts: Counter[tuple[str, str]] = Counter()
    wanted = {c.path for c in candidates[:_LOOKED_AT]}
    tests = index.tests.number
    for commit in index.commits:
        if commit.file_count > 30:
            continue
        for path in wanted.intersection(commit.files):
            counts[path, ""] += 1
            for other in commit.files:
                if other in tests:
                    counts[path, other] += 1
    return counts


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").lstrip(".")


def _test_names(path: str) -> set[str]:
    """Names a test file may be the test of: its own without the mark, and its folder's below a folder of tests."""
    parts = path.split("/")
    own = _TEST_MARK.sub("", parts[-1].split(".", 1)[0])
    names = {_plain(own)}
    if any(part in _TEST_FOLDERS for part in parts[:-2]):
        names.add(_plain(_TEST_MARK.sub("", parts[-2])))
    return names - {""}


def _module_of(path: str) -> str:
    """`django/forms/widgets.py` -> `forms/widgets`: the last two parts, as imports name them."""
    parts = path.rsplit(".", 1)[0].split("/")
    if parts[-1] in ("__init__", "index", "mod", "lib"):
        parts = parts[:-1]
    return "/".join(parts[-2:]) if len(parts) > 1 else ""


def _imports(line: str, module: str) -> bool:
    plain = line.replace(".", "/").replace("::", "/").replace("\\", "/")
    return plain.endswith(module) or f"{module}/" in plain
