"""What a path alone says about a file: language, and whether it is product code, a test, vendored or generated."""

from __future__ import annotations

import re
from typing import Literal

Role = Literal["source", "aux", "test", "skip"]

LANGUAGES: dict[str, str] = {
    "py": "python", "pyx": "python", "pxd": "python", "pyi": "python", "pxi": "python",
    "js": "javascript", "jsx": "javascript", "mjs": "javascript", "cjs": "javascript",
    "ts": "typescript", "tsx": "typescript", "mts": "typescript", "cts": "typescript",
    "svelte": "typescript", "vue": "typescript", "astro": "typescript",
    "go": "go", "java": "java", "kt": "java", "kts": "java", "scala": "java", "groovy": "java",
    "rs": "rust", "rb": "ruby", "rake": "ruby", "gemspec": "ruby",
    "c": "c", "h": "c", "cc": "cpp", "cpp": "cpp", "cxx": "cpp", "hpp": "cpp", "hh": "cpp", "hxx": "cpp",
    "inl": "cpp", "ipp": "cpp", "tpp": "cpp", "cu": "cpp", "m": "c", "mm": "cpp", "y": "c", "l": "c", "yy": "cpp",
    "cs": "csharp", "php": "php", "phtml": "php", "inc": "php",
    "swift": "other", "lua": "other", "sh": "other", "bash": "other", "ps1": "other", "pl": "other", "pm": "other",
    "ex": "other", "exs": "other", "erl": "other", "hs": "other", "ml": "other", "mli": "other", "clj": "other",
    "dart": "other", "zig": "other", "nim": "other", "jl": "other", "r": "other", "sql": "other", "proto": "other",
    "jq": "other", "tf": "other", "pony": "other", "vim": "other", "cmake": "other", "graphql": "other",
    "css": "markup", "scss": "markup", "less": "markup", "html": "markup", "erb": "markup", "haml": "markup",
    "tmpl": "markup", "jinja": "markup", "j2": "markup", "twig": "markup", "hbs": "markup", "ejs": "markup",
}  # fmt: skip

# files that name the language by their whole name
_NAMES = {"Rakefile": "ruby", "Gemfile": "other", "CMakeLists.txt": "other", "Makefile": "other"}

_SKIP_DIRS = frozenset(
    {"node_modules", "bower_components", "vendor", "_vendor", "_vendored", "extern", "site-packages", ".git", ".yarn"}
    | {".venv", "venv", "__pycache__", ".idea", ".vscode", "Pods"}
)
_TEST_DIRS = frozenset(
    {"tests", "test", "__tests__", "spec", "specs", "e2e", "testdata", "test-data", "test_data", "fixtures", "testing"}
    | {"__fixtures__", "__mocks__", "__snapshots__", "cypress", "integration-tests", "integration_tests", "unittests"}
)
# directories whose names say "test" but that often hold a library for testing, shipped to users
SOFT_TEST_DIRS = frozenset({"test", "testing"})
_AUX_DIRS = frozenset(
    {
        "docs",
        "doc",
        "documentation",
        "examples",
        "example",
        "samples",
        "sample",
        "demo",
        "demos",
        "benchmarks",
        "benchmark",
    }
    | {"bench", "asv_bench", "website", ".github", ".circleci", "third_party", "thirdparty", "3rdparty", "playground"}
    | {"playgrounds", "tutorials"}
)
# these are product code when they lie deeper
_AUX_TOP_DIRS = frozenset(
    {"scripts", "script", "tools", "tool", "site", "misc", "hack", "contrib", "ci", "build", "dist", "deps", "external"}
    | {"externals", "changelog", "changelog_unreleased", "build_tools", "maint_tools"}
)
_TEST_NAME = re.compile(
    r"^test_.*\.py$|_tests?\.(?:py|go|rs|cc|cpp|cxx|c|rb|js|ts|php|dart|exs)$|^tests?\.(?:py|rs)$|^conftest\.py$"
    r"|[._-](?:test|spec|tests|cy|e2e|stories)\.[cm]?[jt]sx?$|_spec\.rb$|^test_helper\.rb$|^spec_helper\.rb$"
    r"|(?:Tests?|TestCase|IT|Spec)\.(?:java|kt|scala|groovy|cs|php)$|^Test[A-Z]\w*\.(?:java|php)$"
    r"|^test-.*\.(?:js|mjs|cc|cpp|c)$|^test_.*\.(?:rb|c|cc|cpp|js)$|^[Tt]ests?\.(?:js|ts|cpp|c)$"
)
_MINIFIED = re.compile(
    r"[.-](?:min|bundle|pack)\.(?:js|css|mjs)$|\.(?:pb\.go|pb\.cc|pb\.h)$|_pb2(?:_grpc)?\.py$|\.map$"
)
_DOTNET_TEST = re.compile(r"(?:^|[.\-_])(?:Unit|Integration|Functional)?Tests?$")


def language_of(path: str) -> str | None:
    """The language group of a code file (`LANGUAGES`), or None when the file is not code."""
    name = path.rsplit("/", 1)[-1]
    if name in _NAMES:
        return _NAMES[name]
    stem, dot, extension = name.rpartition(".")
    return LANGUAGES.get(extension.lower()) if dot and stem else None


def role_of(path: str) -> Role:
    """`source`: a fix may go here; `aux`: rather not (docs, scripts); `test`; `skip`: vendored or generated."""
    parts = path.split("/")
    name, folders = parts[-1], parts[:-1]
    if any(folder in _SKIP_DIRS for folder in folders) or _MINIFIED.search(name):
        return "skip"
    if any(f in _TEST_DIRS or _DOTNET_TEST.search(f) for f in folders) or _TEST_NAME.search(name):
        return "test"
    if any(folder.lower() in _AUX_DIRS for folder in folders) or (folders and folders[0].lower() in _AUX_TOP_DIRS):
        return "aux"
    return "source"


def is_soft_test(path: str) -> bool:
    """True when only a folder called `test` or `testing` makes the path a test: its content decides."""
    parts = path.split("/")
    hits = [f for f in parts[:-1] if f in _TEST_DIRS or _DOTNET_TEST.search(f)]
    soft = bool(hits) and len(parts) > 2 and all(f in SOFT_TEST_DIRS for f in hits) and parts[0] not in SOFT_TEST_DIRS
    return soft and "src/test/" not in path and not _TEST_NAME.search(parts[-1])


def stem_of(path: str) -> str:
    """The file's name without its extensions: `a/foo.test.ts` -> `foo`; packages give their folder's name."""
    parts = path.split("/")
    stem = parts[-1].split(".", 1)[0] or parts[-1]
    if stem in ("__init__", "index", "mod", "lib", "main") and len(parts) > 1:
        return parts[-2]
    return stem
