"""Commands that CI runs. Read as text: a YAML parser would be one more door for hostile input, and lines are enough."""

from __future__ import annotations

import re

from services.planner.grounding.model import Command, CommandKind

_RUN = re.compile(r"^(?P<indent>\s*)(?:-\s+)?(?:run|script|command)\s*:\s*(?P<rest>.*)$")
_TEST = re.compile(
    r"\b(?:pytest|py\.test|runtests|unittest|tox|nox|ctest|phpunit|rspec|vitest|jest|mocha)\b|\bmanage\.py test\b"
    r"|\b(?:npm|pnpm|yarn|bun|make|mvn|mvnw|gradle|gradlew|rake|cargo|go|dotnet|composer|mix)\b"
    r"[^&|;]*\b(?:tests?|check|verify)\b"
)
_LINT = re.compile(
    r"\b(?:ruff|flake8|pylint|mypy|black --check|eslint|rubocop|golangci-lint|clippy|phpstan|lint|checkstyle)\b"
)
_NOT = re.compile(
    r"\b(?:install|upload|codecov|coverage (?:xml|report|html)|download|curl|wget|apt|echo|export|git|cp|mv|docker)\b"
    r"|\bnpm (?:i|ci)\b"
    r"|\$\{\{|\$\(|\$\{?[A-Z]|[<>]|^\s*(?:if|for|fi|done|then|else)\b"
)
_MAX_LENGTH = 160


def commands_of_ci(path: str, text: str) -> list[Command]:
    """Test and lint commands that stand alone on a line; those with CI variables, pipes or installs are left out."""
    found: list[Command] = []
    for line in _run_lines(text):
        command = re.sub(r"\s+", " ", line.strip().strip("'\"").rstrip("\\").strip())
        if not command or len(command) > _MAX_LENGTH or _NOT.search(command) or line.rstrip().endswith("\\"):
            continue
        kind: CommandKind | None = "test" if _TEST.search(command) else "lint" if _LINT.search(command) else None
        if kind and re.match(r"^[\w./@-]+(?: |$)", command):
            found.append(
                Command(kind, re.sub(r"^python(?= )", "python3", command), path, 0.7 if kind == "test" else 0.6)
            )
    return found[:8]


def _run_lines(text: str) -> list[str]:
    lines: list[str] = []
    block: int | None = None
    for raw in text.splitlines():
        if len(raw) > 1000:
            continue
        if block is not None:
            if raw.strip() and len(raw) - len(raw.lstrip()) <= block:
                block = None
            else:
                lines.append(re.sub(r"^\s*-\s+", "", raw))
                continue
        match = _RUN.match(raw)
        if match:
            rest = match["rest"].strip()
            if rest in ("|", ">", "|-", ">-", ""):
                block = len(match["indent"])
            else:
                lines.append(rest)
    return lines
