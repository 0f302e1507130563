"""One function per kind of manifest file: (path, text, names at the repository's top) -> commands."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Callable
from typing import Any

from services.planner.grounding.model import Command, CommandKind

Parser = Callable[[str, str, set[str]], list[Command]]
_PLACEHOLDER = "no test specified"


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _pyproject(path: str, text: str, names: set[str]) -> list[Command]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return []
    tool, project = _table(document.get("tool")), _table(document.get("project"))
    extras = _table(project.get("optional-dependencies"))
    found: list[Command] = []
    if project or "build-system" in document:
        chosen = [e for e in ("test", "tests", "testing", "dev") if e in extras][:2]
        suffix = f"[{','.join(chosen)}]" if chosen else ""
        found.append(Command("setup", f"python3 -m pip install -e '.{suffix}'", path, 0.7 if chosen else 0.6))
    if "poetry" in tool:
        found.append(Command("setup", "poetry install", path, 0.75))
    if "uv.lock" in names:
        found.append(Command("setup", "uv sync", "uv.lock", 0.8))
    if "pytest" in tool:
        found.append(Command("test", "python3 -m pytest", path, 0.9))
    elif re.search(r"[\"']pytest[\"'\[<>=~! ]", text):
        found.append(Command("test", "python3 -m pytest", path, 0.75))
    for name, command in (
        ("ruff", "ruff check ."),
        ("black", "black --check ."),
        ("mypy", "mypy ."),
        ("flake8", "flake8"),
    ):
        if name in tool and not (name == "mypy" and not _table(tool["mypy"])):
            found.append(Command("lint", command, path, 0.7 if name != "mypy" else 0.5))
    if legacy := _table(tool.get("tox")).get("legacy_tox_ini"):
        found += _tox(path, str(legacy), names)
    scripts = _table(_table(tool.get("poe")).get("tasks")) | _table(_table(tool.get("pdm")).get("scripts"))
    runner = "poe" if "poe" in tool else "pdm run"
    found += [Command(kind, f"{runner} {n}", path, 0.8) for n in scripts if (kind := _kind_of_target(str(n)))]
    return found


def _kind_of_target(name: str) -> CommandKind | None:
    if name in ("test", "tests", "check", "unittest", "unit", "test-unit", "test:unit", "unit-test", "spec"):
        return "test"
    if name in ("lint", "style", "format-check", "typecheck", "vet", "checkstyle", "lint:check"):
        return "lint"
    return "setup" if name in ("setup", "bootstrap", "install-dev", "deps", "develop", "init") else None


def _tox(path: str, text: str, names: set[str]) -> list[Command]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return []
    found: list[Command] = []
    if not parser.has_section("testenv"):
        return found
    folder = parser.get("testenv", "changedir", fallback="").strip()
    lines = parser.get("testenv", "commands", fallback="").replace("\\\n", " ").splitlines()
    for line in lines:
        command = _without_tox(line)
        if command and re.search(r"pytest|py\.test|unittest|runtests|nose|manage\.py test|trial|stestr", command):
            found.append(
                Command("test", f"cd {folder} && {command}" if folder and "{" not in folder else command, path, 0.88)
            )
            break
    found.append(Command("test", "tox -e py", path, 0.6))
    found += [
        Command("lint", f"tox -e {env}", path, 0.6)
        for env in ("lint", "flake8", "style", "mypy")
        if parser.has_section(f"testenv:{env}")
    ]
    return found


def _without_tox(line: str) -> str:
    """A tox command line as a shell would take it; "" when substitutions remain."""
    line = re.sub(r"\{posargs:?[^}]*\}|\{toxinidir\}/", "", line.strip().lstrip("-").strip())
    line = (
        line.replace("{envpython}", "python3")
        .replace("{envbindir}/", "")
        .replace("{[testenv]pytest_command}", "pytest")
    )
    line = re.sub(r"^python3?(?= )", "python3", line)
    return "" if "{" in line or not line else re.sub(r"\s+", " ", line).strip()


def _setup_cfg(path: str, text: str, names: set[str]) -> list[Command]:
    found = []
    if "[tool:pytest]" in text or path == "pytest.ini":
        found.append(Command("test", "python3 -m pytest", path, 0.9))
    if "[flake8]" in text or path == ".flake8":
        found.append(Command("lint", "flake8", path, 0.7))
    if path == "setup.cfg" and "[metadata]" in text:
        found.append(Command("setup", "python3 -m pip install -e .", path, 0.6))
    return found


def _setup_py(path: str, text: str, names: set[str]) -> list[Command]:
    extra = next((e for e in ("test", "tests", "testing", "dev") if re.search(rf"[\"']{e}[\"']\s*:", text)), None)
    found = [
        Command(
            "setup", f"python3 -m pip install -e '.[{extra}]'" if extra else "python3 -m pip install -e .", path, 0.6
        )
    ]
    if re.search(r"tests_require|[\"']pytest", text) and "pytest" in text:
        found.append(Command("test", "python3 -m pytest", path, 0.7))
    return found


def _requirements(path: str, text: str, names: set[str]) -> list[Command]:
    found = [Command("setup", f"python3 -m pip install -r {path}", path, 0.65)]
    if re.search(r"^pytest\b", text, re.M):
        found.append(Command("test", "python3 -m pytest", path, 0.8))
    return found


def _nox(path: str, text: str, names: set[str]) -> list[Command]:
    sessions = re.findall(r"@nox\.session[^\n]*(?:\n@[^\n]*)*\ndef (\w+)", text)
    return [
        Command(kind, f"nox -s {name}", path, 0.75)
        for name in sessions
        if (kind := _kind_of_target(name.replace("_", "-").removesuffix("s") if name == "tests" else name))
    ]


def package_runner(names: set[str]) -> tuple[str, str]:
    """(install command, run prefix) of the JavaScript package manager that the lock file names."""
    if "pnpm-lock.yaml" in names:
        return "pnpm install --frozen-lockfile", "pnpm"
    if "yarn.lock" in names:
        return "yarn install --frozen-lockfile", "yarn"
    if names & {"bun.lock", "bun.lockb"}:
        return "bun install --frozen-lockfile", "bun run"
    return ("npm ci" if "package-lock.json" in names else "npm install"), "npm run"


def _package_json(path: str, text: str, names: set[str]) -> list[Command]:
    try:
        document = json.loads(text)
    except ValueError:
        return []
    scripts = _table(_table(document).get("scripts"))
    install, run = package_runner(names)
    found = [Command("setup", install, path, 0.85)]
    for name, body in scripts.items():
        kind = _kind_of_target(name)
        if kind in ("test", "lint") and isinstance(body, str) and _PLACEHOLDER not in body:
            plain = "npm test" if run == "npm run" and name == "test" else f"{run} {name}"
            found.append(Command(kind, plain, path, 0.95 if name in ("test", "lint") else 0.75))
    return found


def _makefile(path: str, text: str, names: set[str]) -> list[Command]:
    found: list[Command] = []
    for name in dict.fromkeys(re.findall(r"^([A-Za-z][\w\-]*)\s*:(?!=)", text, re.M)):
        kind = _kind_of_target(name)
        if kind:
            found.append(Command(kind, f"make {name}", path, 0.8 if name in ("test", "tests", "lint") else 0.6))
    return found


def _go(path: str, text: str, names: set[str]) -> list[Command]:
    return [
        Command("setup", "go mod download", path, 0.8),
        Command("test", "go test ./...", path, 0.85),
        Command("lint", "go vet ./...", path, 0.7),
    ]


def _maven(path: str, text: str, names: set[str]) -> list[Command]:
    tool = "./mvnw" if "mvnw" in names else "mvn"
    return [
        Command("setup", f"{tool} -q -DskipTests install", path, 0.6),
        Command("test", f"{tool} -q test", path, 0.85),
    ]


def _gradle(path: str, text: str, names: set[str]) -> list[Command]:
    tool = "./gradlew" if "gradlew" in names else "gradle"
    return [Command("test", f"{tool} test", path, 0.85)]


def _cargo(path: str, text: str, names: set[str]) -> list[Command]:
    suffix = " --workspace" if "[workspace]" in text else ""
    return [
        Command("setup", "cargo fetch", path, 0.7),
        Command("test", f"cargo test{suffix}", path, 0.85),
    ]


def _composer(path: str, text: str, names: set[str]) -> list[Command]:
    try:
        document = _table(json.loads(text))
    except ValueError:
        return []
    found = [Command("setup", "composer install", path, 0.85)]
    found += [
        Command(kind, f"composer {name}", path, 0.9 if name == "test" else 0.75)
        for name in _table(document.get("scripts"))
        if (kind := _kind_of_target(str(name)))
    ]
    if "phpunit/phpunit" in _table(document.get("require-dev")) or names & {"phpunit.xml", "phpunit.xml.dist"}:
        found.append(Command("test", "vendor/bin/phpunit", path, 0.8))
    return found


def _gemfile(path: str, text: str, names: set[str]) -> list[Command]:
    found = [Command("setup", "bundle install", path, 0.85)]
    if ".rspec" in names or re.search(r"gem\s+['\"]rspec['\"]", text):
        found.append(Command("test", "bundle exec rspec", ".rspec" if ".rspec" in names else path, 0.85))
    elif "Rakefile" in names:
        found.append(Command("test", "bundle exec rake test", "Rakefile", 0.65))
    if ".rubocop.yml" in names:
        found.append(Command("lint", "bundle exec rubocop", ".rubocop.yml", 0.8))
    return found


def _cmake(path: str, text: str, names: set[str]) -> list[Command]:
    build = "cmake -S . -B build && cmake --build build"
    found = [Command("setup", build, path, 0.65)]
    if re.search(r"enable_testing|include\s*\(\s*CTest|add_test", text, re.I):
        found.append(Command("test", f"{build} && ctest --test-dir build --output-on-failure", path, 0.7))
    return found


def _dotnet(path: str, text: str, names: set[str]) -> list[Command]:
    return [Command("setup", "dotnet restore", path, 0.8), Command("test", "dotnet test", path, 0.85)]


MANIFESTS: dict[str, Parser] = {
    "pyproject.toml": _pyproject, "tox.ini": _tox, "setup.cfg": _setup_cfg, "pytest.ini": _setup_cfg,
    ".flake8": _setup_cfg, "setup.py": _setup_py, "requirements.txt": _requirements,
    "requirements-dev.txt": _requirements, "requirements-test.txt": _requirements, "noxfile.py": _nox,
    "package.json": _package_json, "Makefile": _makefile, "makefile": _makefile, "GNUmakefile": _makefile,
    "go.mod": _go, "pom.xml": _maven, "build.gradle": _gradle, "build.gradle.kts": _gradle, "Cargo.toml": _cargo,
    "composer.json": _composer, "Gemfile": _gemfile, "CMakeLists.txt": _cmake, "*.sln": _dotnet,
}  # fmt: skip
