"""The repository's own commands to set up, test and lint, each with the file that says so. Nothing is run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from services.planner.grounding.ci_commands import commands_of_ci
from services.planner.grounding.manifests import MANIFESTS
from services.planner.grounding.model import Command, CommandKind
from services.planner.localise.index import RepositoryIndex

_CI_FILE = re.compile(
    r"^(?:\.github/workflows/[^/]+\.ya?ml|\.gitlab-ci\.yml|\.circleci/config\.yml|\.travis\.yml|azure-pipelines\.yml"
    r"|appveyor\.yml|\.appveyor\.yml|bitbucket-pipelines\.yml)$"
)
_MAX_CI_FILES = 12


def discover_commands(index: RepositoryIndex) -> list[Command]:
    """Commands by falling confidence within `setup`, `test`, `lint`; the same command is named once."""
    names = {p for p in index.files if "/" not in p}
    wanted = [p for p in names if _manifest_for(p)]
    ci_files = sorted(p for p in index.files if _CI_FILE.match(p))[:_MAX_CI_FILES]
    texts = index.read_many([*sorted(wanted), *ci_files], limit=400_000)
    found: list[Command] = []
    for path in sorted(wanted):
        parser = _manifest_for(path)
        if parser is not None and path in texts:
            found += parser(path, texts[path], names)
    for path in ci_files:
        found += commands_of_ci(path, texts.get(path, ""))
    found += _python_plain(index, found)
    return list(_settled(found))


_ECOSYSTEMS: tuple[tuple[str, frozenset[str]], ...] = (
    (
        r"^(?:python3?|pytest|tox|nox|poetry|uv|ruff|flake8|black|mypy|poe|pdm|pylint|\./\S*runtests\.py"
        r"|cd \S+ && python3?)\b",
        frozenset({"python"}),
    ),
    (r"^(?:npm|pnpm|yarn|bun|npx|node)\b", frozenset({"javascript", "typescript", "markup"})),
    (r"^go\b", frozenset({"go"})),
    (r"^(?:\./mvnw|mvn|\./gradlew|gradle)\b", frozenset({"java"})),
    (r"^cargo\b", frozenset({"rust"})),
    (r"^(?:bundle|rake|rspec|ruby)\b", frozenset({"ruby"})),
    (r"^(?:composer|vendor/bin|php)\b", frozenset({"php"})),
    (r"^(?:cmake|ctest)\b", frozenset({"c", "cpp"})),
    (r"^dotnet\b", frozenset({"csharp"})),
)


def for_language(commands: list[Command], language: str) -> list[Command]:
    """The commands, those of another language's tools behind the others of their kind."""

    def foreign(command: Command) -> bool:
        return any(re.match(pattern, command.command) and language not in own for pattern, own in _ECOSYSTEMS)

    return sorted(commands, key=lambda c: (_KINDS.index(c.kind), bool(language) and foreign(c)))


def _manifest_for(path: str) -> Callable[[str, str, set[str]], list[Command]] | None:
    if path in MANIFESTS:
        return MANIFESTS[path]
    if path.endswith((".sln", ".slnx")):
        return MANIFESTS["*.sln"]
    return None


_KINDS: tuple[CommandKind, ...] = ("setup", "test", "lint")


def _settled(found: list[Command]) -> Iterator[Command]:
    best: dict[tuple[CommandKind, str], Command] = {}
    seen: dict[tuple[CommandKind, str], int] = {}
    for command in found:
        key = (command.kind, command.command)
        seen[key] = seen.get(key, 0) + 1
        if key not in best or best[key].confidence < command.confidence:
            best[key] = command
    for key, command in best.items():  # what two files agree on is surer
        if seen[key] > 1:
            best[key] = msgspec.structs.replace(command, confidence=min(0.99, round(command.confidence + 0.04, 2)))
    order = sorted(best.values(), key=lambda c: (_KINDS.index(c.kind), -c.confidence, c.command))
    for kind in _KINDS:
        yield from [c for c in order if c.kind == kind][:6]


def _python_plain(index: RepositoryIndex, found: list[Command]) -> list[Command]:
    """A Python repository that says nothing: what its tests import tells how they are run."""
    tests = [e.path for e in index.tests.files if e.path.endswith(".py")] if _has_python(index) else []
    sure = any(c.kind == "test" and c.confidence >= 0.6 for c in found)
    if not tests or sure:
        return []
    texts = index.read_many(tests[:40], limit=200_000)
    whole = "\n".join(texts.values())
    source = min(texts, default=tests[0])
    if re.search(r"^[ \t]*(?:import|from) pytest\b", whole, re.M) or not re.search(
        r"^[ \t]*(?:import|from) unittest\b", whole, re.M
    ):
        return [Command("test", "python3 -m pytest", source, 0.55)]
    folder = _unittest_folder(tests)
    return [Command("test", f"python3 -m unittest discover{folder}", source, 0.6)]


def _has_python(index: RepositoryIndex) -> bool:
    return any(p.endswith(".py") for p in index.files)


def _unittest_folder(tests: list[str]) -> str:
    """`discover` finds `test*.py` below packages only, so a plain folder of tests is named."""
    folders = {p.split("/", 1)[0] for p in tests if "/" in p}
    if any("/" not in p for p in tests) or len(folders) != 1:
        return ""
    return (
        f" -s {folders.pop()} -t ."
        if any(p.endswith("/__init__.py") and p.count("/") == 1 for p in tests)
        else (f" -s {tests[0].split('/', 1)[0]}")
    )
