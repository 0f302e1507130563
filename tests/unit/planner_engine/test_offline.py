"""The command line of the engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.planner.localise.offline import main
from tests.unit.planner_engine.workshop import Workshop

ROOT = Path(__file__).parents[3]


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.planner.localise", *arguments]
    return subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, check=False)


def test_a_text_issue_gives_one_json_object_with_files_commit_and_timings(shop: Workshop) -> None:
    answer = run(
        "--repo", str(shop.path), "--rev", "main", "--issue", "-", "--json",
        stdin="# send_receipt is slow\n\nMailer takes long.\n",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    plan = json.loads(answer.stdout)
    assert plan["title"] == "send_receipt is slow"
    assert plan["candidate_files"][0]["path"] == "shop/mailer.py"
    assert plan["base_commit"] == shop.commits[-1]
    assert {"index", "rank", "ground", "write", "total"} <= set(plan["timings_ms"])


def test_a_json_issue_is_read(shop: Workshop, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    issue = tmp_path / "issue.json"
    issue.write_text(json.dumps({"title": "charge_card", "body": "fails", "labels": ["bug"]}))
    assert main(str(shop.path), "main", str(issue), True) == 0
    assert json.loads(capfd.readouterr().out)["candidate_files"][0]["path"] == "shop/payment.py"


def test_without_json_the_plan_is_markdown(shop: Workshop, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    issue = tmp_path / "issue.md"
    issue.write_text("{not json\nfind_products finds nothing")
    assert main(str(shop.path), "main", str(issue), False, str(tmp_path / "cache")) == 0
    assert "shop/search.py" in capfd.readouterr().out


@pytest.mark.parametrize("content", [None, "", "  \n"])
def test_an_issue_that_cannot_be_read_exits_with_two(
    shop: Workshop, tmp_path: Path, content: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    issue = tmp_path / "issue.md"
    if content is not None:
        issue.write_text(content)
    assert main(str(shop.path), "main", str(issue), True) == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert "issue" in said.err


def test_an_unknown_repository_or_revision_exits_with_six(
    shop: Workshop, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    issue = tmp_path / "issue.md"
    issue.write_text("Broken")
    assert main(str(tmp_path / "nothing"), "main", str(issue), True) == 6
    assert main(str(shop.path), "nowhere", str(issue), True) == 6
    assert "Unknown revision" in capfd.readouterr().err
