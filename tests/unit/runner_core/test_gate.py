"""The patch gate's verdicts over crafted patches, read from real git objects."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_core.gate import judge, outside_plan, verdict
from runner_core.masking import Needles
from runner_core.patch import Change, Patch, PatchError, take_in
from schemas.jobs import Limits
from tests.support.attempts import base_of, bundle_of, git, repository, task

SECRET = "canary-7f3a9b1c2d4e5f60718293a4b5c6d7e8"
NEEDLES = Needles({"model key": SECRET}, trimmed=True)
PLAN = task("/r").plan


def _write(name: str, text: str | bytes, mode: int = 0o644) -> Callable[[Path], None]:
    def change(work: Path) -> None:
        file = work / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        file.chmod(mode)

    return change


def _link(name: str, target: str) -> Callable[[Path], None]:
    return lambda work: os.symlink(target, work / name)


def _many(work: Path) -> None:
    for number in range(101):
        _write(f"n/{number}.py", "x\n")(work)


CASES: list[tuple[str, Callable[[Path], None], str, str]] = [
    ("an ordinary edit passes", _write("shop/pricing.py", "def parse(t):\n    return 1\n"), "pass", ""),
    ("a new test passes", _write("tests/test_pricing.py", "def test_x():\n    assert 1\n"), "pass", ""),
    ("a file outside the plan is only told", _write("shop/other.py", "x = 1\n"), "pass", "outside the plan"),
    ("a symlink to /etc/passwd is refused", _link("notes", "/etc/passwd"), "block", "symlink"),
    ("a symlink inside the tree is refused", _link("notes", "README.md"), "block", "symlink"),
    ("a workflow is held", _write(".github/workflows/ci.yml", "on: push\n"), "hold", "protected"),
    ("an agent's settings are held", _write(".claude/settings.json", "{}\n"), "hold", "protected"),
    ("editor tasks are held", _write(".vscode/tasks.json", "{}\n"), "hold", "protected"),
    ("a Makefile is held", _write("Makefile", "all:\n"), "hold", "protected"),
    ("package.json is held", _write("web/package.json", "{}\n"), "hold", "protected"),
    ("conftest.py is held", _write("tests/conftest.py", "x = 1\n"), "hold", "protected"),
    (".gitattributes is refused", _write(".gitattributes", "* filter=x\n"), "block", "git"),
    (".gitmodules is refused", _write(".gitmodules", '[submodule "x"]\n\tpath = x\n\turl = ./x\n'), "block", "git"),
    ("an ignore file passes", _write(".gitignore", "*.log\n"), "pass", "outside the plan"),
    ("an executable is held", _write("shop/run.sh", "echo\n", 0o755), "hold", "executable"),
    ("a large binary is refused", _write("blob.bin", b"\0" * 300_000), "block", "binary"),
    ("a GitHub token is refused", _write("shop/c.py", "t = 'ghp_" + "a" * 36 + "'\n"), "block", "secret"),
    ("a private key is refused", _write("k.txt", "-----BEGIN RSA PRIVATE KEY-----\n"), "block", "secret"),
    ("a known secret is refused", _write("shop/c.py", f"k = '{SECRET}'\n"), "block", "secret"),
    ("a known secret in hex is refused", _write("shop/c.py", SECRET.encode().hex()), "block", "secret"),
    ("a known secret reversed is refused", _write("shop/c.py", SECRET[::-1]), "block", "secret"),
    ("a known secret cut by seven is refused", _write("shop/c.py", SECRET[:-7]), "block", "secret"),
    ("a known secret in UTF-16 is refused", _write("notes.bin", b"\0" + SECRET.encode("utf-16")), "block", "secret"),
    ("a known secret in gzip is refused", _write("notes.gz", gzip.compress(SECRET.encode())), "block", "secret"),
    ("a secret in a file's name is refused", _write(f"shop/{SECRET}.py", "x = 1\n"), "block", "secret"),
    ("a huge binary is refused unread", _write("blob.bin", b"\0" * 5_000_000), "block", "unread"),
    ("editor tasks in a subfolder are held", _write("a/b/.vscode/tasks.json", "{}\n"), "hold", "protected"),
    ("a lock file in a subfolder is held", _write("web/pnpm-lock.yaml", "x\n"), "hold", "protected"),
    ("a manifest in a subfolder is held", _write("crates/a/Cargo.toml", "[x]\n"), "hold", "protected"),
    ("a removed test is held", lambda work: (work / "tests/test_a.py").unlink(), "hold", "test removed"),
    ("a skipped test is held", _write("tests/test_a.py", "@pytest.mark.skip\n"), "hold", "test skipped"),
    ("a name that differs in case is refused", _write("readme.md", "x\n"), "block", "collision"),
    ("a decomposed name is refused", _write("shop/cafe\u0301.py", "x = 1\n"), "block", "path"),
    ("a control character in a name is refused", _write("shop/a\x07.py", "x = 1\n"), "block", "path"),
    ("a name reserved on Windows is refused", _write("shop/aux.py", "x = 1\n"), "block", "path"),
    ("a direction override in code is held", _write("shop/c.py", "x = 1  # \u202e\n"), "hold", "invisible"),
    ("too many files are refused", _many, "block", "files"),
    ("too large a diff is refused", _write("shop/big.py", "x = 1\n" * 300_000), "block", "size"),
]  # fmt: skip


@pytest.mark.parametrize(("claim", "change", "expected", "rule"), CASES, ids=[case[0] for case in CASES])
async def test_verdict(claim: str, change: Callable[[Path], None], expected: str, rule: str, tmp_path: Path) -> None:
    files = {"shop/pricing.py": "x\n", "README.md": "r\n", "tests/test_a.py": "def test_a(): ...\n"}
    base = await base_of(repository(tmp_path, files), tmp_path / "scratch")
    patch = await take_in(base, bundle_of(base, tmp_path, change), Limits())
    findings = judge(patch, PLAN, Limits(), NEEDLES)
    assert verdict(findings) == expected, findings
    assert not rule or rule in {finding.rule for finding in findings}
    assert SECRET not in str(findings)


async def test_work_that_does_not_sit_on_the_snapshot_is_refused(tmp_path: Path) -> None:
    base = await base_of(repository(tmp_path), tmp_path / "scratch")

    def twice(work: Path) -> None:
        _write("a.py", "1\n")(work)
        git(work, "add", "-A")
        git(work, "commit", "-q", "-m", "between")
        _write("b.py", "2\n")(work)

    with pytest.raises(PatchError) as error:
        await take_in(base, bundle_of(base, tmp_path, twice), Limits())
    assert error.value.failure.kind == "gate"


async def test_bytes_that_are_no_bundle_are_refused(tmp_path: Path) -> None:
    base = await base_of(repository(tmp_path), tmp_path / "scratch")
    with pytest.raises(PatchError) as error:
        await take_in(base, b"# v2 git bundle\ngarbage", Limits())
    assert error.value.failure.kind == "gate"


def _patch(*changes: Change) -> Patch:
    return Patch(commit="c" * 40, diff=b"", changes=changes, additions=1, deletions=0)


@given(st.text(min_size=1, max_size=80))
def test_no_path_with_git_in_it_passes(prefix: str) -> None:
    path = f"{prefix}/.git/hooks/post-checkout"
    findings = judge(_patch(Change(path, "added", "000000", "100644")), PLAN, Limits(), NEEDLES)
    assert verdict(findings) == "block"


@pytest.mark.parametrize(
    "path", [".GIT/config", ".git\u200c/config", "git~1/config", ".git./x", "a/../b", "/abs", "a//b", "a\\b"]
)
def test_disguised_paths_are_refused(path: str) -> None:
    assert verdict(judge(_patch(Change(path, "added", "000000", "100644")), PLAN, Limits(), NEEDLES)) == "block"


def test_a_submodule_is_refused() -> None:
    assert verdict(judge(_patch(Change("lib", "added", "000000", "160000")), PLAN, Limits(), NEEDLES)) == "block"


def test_tests_beside_the_plans_files_are_no_surprise() -> None:
    changes = (
        Change("shop/pricing.py", "modified", "100644", "100644"),
        Change("tests/test_b.py", "added", "0", "100644"),
    )
    assert outside_plan(_patch(*changes), PLAN) == []
