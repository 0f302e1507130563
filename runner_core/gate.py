"""The patch gate: what a patch may touch. Pure.

``block`` refuses the patch whatever a person says; ``hold`` waits for a person (files that decide how code is built,
tested, reviewed or run by CI, agents and editors); ``note`` is only told. Defaults as GitHub's agentic workflows use
them (at most 1 MiB and 100 files).
"""

import contextlib
import fnmatch
import re
import unicodedata
import zlib
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from runner_core.masking import Needles
from runner_core.patch import Change, Patch
from runner_core.secrets_scan import credentials
from schemas.jobs import GateFinding, Limits
from schemas.plans import Plan

BINARY_BYTES: Final = 256 * 1024
UNPACKED_BYTES: Final = 4 * 1024 * 1024
_HELD: Final = (
    *(".github/*", ".gitlab-ci*", ".gitlab/*", ".circleci/*", ".buildkite/*", ".travis.yml", "azure-pipelines*"),
    *("Jenkinsfile*", "bitbucket-pipelines.yml", ".drone.yml", "appveyor.yml", ".ci/*", "CODEOWNERS"),
    *("Dockerfile*", "Containerfile*", "compose*.y*ml", "docker-compose*.y*ml", "*.tf", "*.tfvars"),
    *("package.json", "*.lock", "package-lock.json", "pnpm-lock.yaml"),
    *("npm-shrinkwrap.json", "go.sum", "requirements*.lock", "requirements*.txt", ".npmrc", ".yarnrc*", ".pypirc"),
    *("pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "noxfile.py"),
    *("conftest.py", "Makefile", "GNUmakefile", "justfile", "Rakefile", "build.rs"),
    *("pom.xml", "build.gradle*", "settings.gradle*", "gradlew*", "*.gradle", "CMakeLists.txt", "Cargo.toml"),
    *(".husky/*", ".pre-commit-config.yaml", ".pre-commit-hooks.yaml", "lefthook.yml", ".envrc", ".tool-versions"),
    *(".claude/*", ".kilocode/*", ".kilo/*", "kilo.json", "opencode.json", ".opencode/*", ".cursor/*", ".aider*"),
    *(".windsurf/*", ".continue/*", ".codex/*", ".gemini/*", ".roo/*", ".clinerules*", ".vscode/*", ".idea/*"),
    *(".devcontainer/*", "*.code-workspace", "AGENTS.md", "CLAUDE.md", "GEMINI.md"),
    *(".mcp.json", "mcp.json", ".soulcaster.yml", ".editorconfig", "sitecustomize.py", "usercustomize.py", "*.pth"),
)
# A name is held wherever it stands: each suffix of a path is matched from its beginning.
_HELD_NAMES: Final = re.compile("|".join(fnmatch.translate(pattern.casefold()) for pattern in _HELD))
_GIT_ALLOWED: Final = frozenset({".github", ".gitlab", ".gitlab-ci.yml", ".gitignore", ".gitkeep"})
_WINDOWS: Final = re.compile(r"^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
_TEST_PATH: Final = re.compile(
    r"(^|/)(tests?|specs?|__tests__)/|(^|/)test_[^/]*$|[._-](test|spec)s?\.[^/]+$|_test\.[^/]+$"
)
_SKIPS: Final = re.compile(
    r"pytest\.mark\.(skip|xfail)|pytest\.(skip|xfail)\(|unittest\.(skip|expectedFailure)|@skip\b"
    r"|\b(it|test|describe)\.(skip|only|todo)\b|\bx(it|describe)\(|@Ignore\b|@Disabled\b|\bt\.Skip\(|#\[ignore\]"
)
_INVISIBLE: Final = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
_HFS_IGNORED: Final = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


def judge(
    patch: Patch, plan: Plan, limits: Limits, needles: Needles, protected: tuple[str, ...] = ()
) -> list[GateFinding]:
    """All findings, blocks first. ``needles`` are the run's own secrets, searched in all their encodings; ``protected``
    are the repository's own patterns of paths whose change waits for a person."""
    findings = list(_size(patch, limits))
    for change in patch.changes:
        findings += _path(change)
        findings += _mode(change)
        findings += _content(change, needles)
        findings += _held(change)
        findings += _protected(change, protected)
    findings += _outside(patch, plan)
    order = {"block": 0, "hold": 1, "note": 2}
    findings = [without_secrets(finding, needles) for finding in findings]
    return sorted(findings, key=lambda finding: (order[finding.verdict], finding.path, finding.rule))


def verdict(findings: list[GateFinding]) -> Literal["pass", "hold", "block"]:
    """The worst of the findings."""
    kinds = {finding.verdict for finding in findings}
    return "block" if "block" in kinds else "hold" if "hold" in kinds else "pass"


def outside_plan(patch: Patch, plan: Plan) -> list[str]:
    """Changed paths that the plan names neither as candidate file nor as test; tests beside them are no surprise."""
    named = {file.path for file in plan.candidate_files} | set(plan.nearest_tests)
    return [path for path in patch.paths if path not in named and not is_test(path)]


def is_test(path: str) -> bool:
    """Whether a path looks like a test or a file of tests."""
    return _TEST_PATH.search(path) is not None


def secrets_in(patch: Patch, needles: Needles) -> list[GateFinding]:
    """The findings about secrets alone: what holds one must not even be kept."""
    found = (finding for change in patch.changes for finding in _content(change, needles))
    return [without_secrets(finding, needles) for finding in found if finding.rule == "secret"]


def without_secrets(finding: GateFinding, needles: Needles) -> GateFinding:
    """The finding as people may see it: it quotes the patch."""
    path = needles.mask(finding.path)
    path = "(a path that holds a credential)" if any(credentials(path)) else path
    return msgspec.structs.replace(finding, path=path, detail=needles.mask(finding.detail))


def _block(rule: str, path: str, detail: str) -> GateFinding:
    return GateFinding(rule=rule, verdict="block", path=path, detail=detail)


def _hold(rule: str, path: str, detail: str) -> GateFinding:
    return GateFinding(rule=rule, verdict="hold", path=path, detail=detail)


def _size(patch: Patch, limits: Limits) -> Iterator[GateFinding]:
    if len(patch.diff) > limits.patch_bytes:
        yield _block("size", "", f"The diff has {len(patch.diff)} bytes; at most {limits.patch_bytes} are published.")
    if len(patch.changes) > limits.patch_files:
        yield _block("files", "", f"{len(patch.changes)} files are changed; at most {limits.patch_files}.")


def _path(change: Change) -> Iterator[GateFinding]:
    path = change.path
    parts = path.split("/")
    plain = [_HFS_IGNORED.sub("", part).casefold().rstrip(". ") for part in parts]
    if any(part in ("", ".", "..") for part in parts) or path.startswith("/") or "\\" in path:
        yield _block("path", path, "The path leaves its folder or is no plain path.")
    if any(ord(c) < 32 or ord(c) == 127 for c in path) or "\ufffd" in path or _INVISIBLE.search(path):
        yield _block("path", path, "The path holds control, invisible or undecodable characters.")
    if any(_WINDOWS.match(part) or ":" in part or part != part.rstrip(". ") for part in parts):
        yield _block("path", path, "The name means something else on another file system.")
    if unicodedata.normalize("NFC", path) != path:
        yield _block("path", path, "The name is not in Unicode's composed form (NFC).")
    if change.collides_with:
        yield _block("collision", path, f"The same file as {change.collides_with!r} where case does not count.")
    if any(part == ".git" or part.startswith("git~") for part in plain):
        yield _block("git", path, "Files of Git itself must not be in a patch.")
    elif any(part.startswith(".git") and part not in _GIT_ALLOWED for part in plain):
        yield _block("git", path, "Git configuration in a repository can run code and redirect where files come from.")


def _mode(change: Change) -> Iterator[GateFinding]:
    if change.new_mode == "120000":
        yield _block("symlink", change.path, "A symbolic link can point out of the repository.")
    elif change.new_mode == "160000":
        yield _block("submodule", change.path, "A submodule brings code that nobody sees in the diff.")
    elif change.new_mode == "100755" and change.old_mode != "100755":
        yield _hold("executable", change.path, "The file becomes executable.")


def _content(change: Change, needles: Needles) -> Iterator[GateFinding]:
    if change.unread:
        yield _block("unread", change.path, f"A file of {change.size} bytes is too large to be looked through.")
    elif change.binary and change.size > BINARY_BYTES:
        yield _block("binary", change.path, f"A binary file of {change.size} bytes; at most {BINARY_BYTES}.")
    for kind in sorted(_credentials(change) | _known(change, needles)):
        yield _block("secret", change.path, f"It holds a {kind}.")
    if _INVISIBLE.search(change.added_text) and not change.binary:
        yield _hold("invisible", change.path, "Added lines hold invisible or direction-changing characters.")
    if is_test(change.path):
        if change.status == "deleted":
            yield _hold("test removed", change.path, "A test file is deleted.")
        elif _SKIPS.search(change.added_text):
            yield _hold("test skipped", change.path, "An added line skips tests.")


def _credentials(change: Change) -> set[str]:
    return {kind for text in (change.added_text, change.path) for kind in credentials(text)}


def _known(change: Change, needles: Needles) -> set[str]:
    data = change.added_text.encode("latin-1" if change.binary else "utf-8", "replace")
    found = needles.names_in(change.path.encode())
    for view in _views(data):
        found |= needles.names_in(view)
    return {f"known secret ({name})" for name in found}


def _views(data: bytes) -> Iterator[bytes]:
    """The bytes, without NULs (UTF-16 and UTF-32 of ASCII), and what gzip members in them unpack to (RFC 1952)."""
    yield data
    if b"\0" in data:
        yield data.replace(b"\0", b"")
    at = data.find(b"\x1f\x8b\x08")
    while at >= 0:
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj(31).decompress(data[at:], UNPACKED_BYTES)
        at = data.find(b"\x1f\x8b\x08", at + 1)


def _suffixes(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[index:]) for index in range(len(parts))]


def _held(change: Change) -> Iterator[GateFinding]:
    if any(_HELD_NAMES.match(name) for name in _suffixes(change.path.casefold())):
        yield _hold("protected", change.path, "It decides how code is built, tested, reviewed or run.")


def _protected(change: Change, patterns: tuple[str, ...]) -> Iterator[GateFinding]:
    """Case does not count, as it does not on many file systems; a folder's name means all below it."""
    path = change.path.casefold()
    for pattern in patterns:
        name = pattern.casefold().removeprefix("/").removesuffix("/")
        if fnmatch.fnmatchcase(path, name) or fnmatch.fnmatchcase(path, f"{name}/*"):
            yield _hold("protected here", change.path, f"The repository protects {pattern!r} (.soulcaster.yml).")
            return


def _outside(patch: Patch, plan: Plan) -> Iterator[GateFinding]:
    for path in outside_plan(patch, plan):
        yield GateFinding(rule="outside the plan", verdict="note", path=path, detail="The plan does not name it.")
