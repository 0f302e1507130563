"""`make demo` does the main job on real parts; without a terminal it prints the result and exits 0."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.embedded import command, processes_of


@pytest.mark.timeout(600)  # a real agent on two busy cores
async def test_the_demo_ends_with_one_branch_and_one_draft_pull_request_that_fix_the_bug(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    code, out, err = await command("up", "--demo", "--data", str(data), "--port", "0")
    assert code == 0, err
    assert "REPLAY" in err, "the replayed model must be named as such on screen"
    assert re.search(r"^Draft pull request: http://127\.0\.0\.1:\d+/pulls/default/\w+$", out, re.MULTILINE)

    origin = data / "sample.git"
    branches = _git(origin, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
    ours = [branch for branch in branches if branch != "main"]
    assert len(ours) == 1
    assert ours[0].startswith("soulcaster/")
    assert _git(origin, "diff", "--name-only", "main", ours[0]).split() == ["shop/pricing.py"]

    assert _tests_pass(origin, ours[0], tmp_path / "fixed")
    assert processes_of(data) == []


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True).stdout


def _tests_pass(origin: Path, branch: str, folder: Path) -> bool:
    subprocess.run(["git", "clone", "-q", "-b", branch, str(origin), str(folder)], check=True)
    return subprocess.run(["python3", "-m", "unittest"], cwd=folder, capture_output=True, check=False).returncode == 0
