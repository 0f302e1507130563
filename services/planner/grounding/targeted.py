"""The command that runs one existing test file, derived from the repository's own test command."""

from __future__ import annotations

import json
import re
import shlex

from services.planner.grounding.model import Command
from services.planner.localise.index import RepositoryIndex

_JS_RUNNERS = ("vitest", "jest", "mocha", "ava", "tap", "jasmine", "node --test")


def command_for(index: RepositoryIndex, tests: list[Command], path: str) -> str | None:
    """A command for one test file; None when the runner's way of naming one file is not known."""
    extension = path.rpartition(".")[2].lower()
    known = " ".join(c.command for c in tests)
    if extension == "py":
        return _python(tests, known, path)
    if extension in ("js", "jsx", "mjs", "cjs", "ts", "tsx"):
        return _javascript(index, path)
    folder = shlex.quote("./" + path.rpartition("/")[0])
    stem = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    if extension == "go" and "go test" in known:
        return f"go test {folder}/..."
    if extension in ("java", "kt", "groovy"):
        return _jvm(index, known, path, stem)
    if extension == "rs" and "cargo test" in known:
        return f"cargo test --test {stem}" if path.startswith("tests/") and path.count("/") == 1 else None
    if extension == "rb":
        return f"bundle exec rspec {shlex.quote(path)}" if "rspec" in known else f"ruby -Itest {shlex.quote(path)}"
    if extension == "php" and ("phpunit" in known or "composer" in known):
        return f"vendor/bin/phpunit {shlex.quote(path)}"
    if extension == "cs" and "dotnet test" in known:
        return f"dotnet test --filter FullyQualifiedName~{stem}"
    return None


def _python(tests: list[Command], known: str, path: str) -> str | None:
    runner = re.search(r"(?:^| |cd )((?:[\w.-]+/)*runtests\.py)", known)
    changed = re.search(r"\bcd ([\w./-]+) &&[^&]*runtests\.py", known)
    if runner:  # a runner script that takes dotted names below its own folder
        folder = changed[1] if changed else runner[1].rpartition("/")[0]
        if path.startswith(f"{folder}/"):
            label = path[len(folder) + 1 :].removesuffix(".py").replace("/", ".")
            return f"cd {folder} && python3 {runner[1].rsplit('/', 1)[-1]} {label}"
        return None
    if "pytest" in known:
        return f"python3 -m pytest {shlex.quote(path)}"
    if "unittest" in known or not tests:
        return f"python3 -m unittest {shlex.quote(path)}"
    return None if "nose" in known else f"python3 -m pytest {shlex.quote(path)}"


def _javascript(index: RepositoryIndex, path: str) -> str | None:
    try:
        document = json.loads(index.read("package.json") or "{}")
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    scripts = document.get("scripts") if isinstance(document.get("scripts"), dict) else {}
    said = " ".join(str(v) for k, v in scripts.items() if "test" in k) if isinstance(scripts, dict) else ""
    needed = document.get("devDependencies")
    for runner in _JS_RUNNERS:
        if re.search(rf"\b{re.escape(runner)}\b", said) or (isinstance(needed, dict) and runner in needed):
            quoted = shlex.quote(path)
            if runner == "vitest":
                return f"npx vitest run {quoted}"
            return f"node --test {quoted}" if runner == "node --test" else f"npx {runner} {quoted}"
    return None


def _jvm(index: RepositoryIndex, known: str, path: str, stem: str) -> str | None:
    module = path.split("/src/", 1)[0] if "/src/" in path else ""
    if "mvn" in known:
        tool = "./mvnw" if "./mvnw" in known else "mvn"
        part = f" -pl {shlex.quote(module)} -am" if module and f"{module}/pom.xml" in index.files else ""
        quiet = " -Dsurefire.failIfNoSpecifiedTests=false" if part else ""
        return f"{tool} -q{part} -Dtest={stem}{quiet} test"
    if "gradle" in known:
        tool = "./gradlew" if "./gradlew" in known else "gradle"
        return f"{tool} {':' + module.replace('/', ':') + ':' if module else ''}test --tests '*{stem}'"
    return None
