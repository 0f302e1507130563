"""Exit codes are stable, errors name the next step, and reports are recognised by their shape."""

import json
from pathlib import Path

import pytest

from cli.__main__ import run
from cli.commands.fixes import exit_code
from cli.commands.reports import guess_source, read_reports, signature
from cli.context import resolve
from cli.errors import CliError, Exit, exit_for_status

PAYLOADS = Path("cli/demo/payloads")


@pytest.fixture(autouse=True)
def _nobody_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No context of the developer's, no instance in the folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("SOULCASTER_GATEWAY", "SOULCASTER_API_KEY", "SOULCASTER_PROJECT", "SOULCASTER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_gateway_the_error_names_the_command_that_starts_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["clusters"]) == Exit.USAGE
    assert "soulcaster up" in capsys.readouterr().err


def test_an_unreachable_gateway_is_exit_code_9(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["clusters", "--gateway", "http://127.0.0.1:1"]) == Exit.UNAVAILABLE
    assert "no answer from http://127.0.0.1:1" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["nonsense"], ["fix"], ["clusters", "-o", "yaml"], ["up", "--port", "99999"]])
def test_a_wrong_command_line_is_exit_code_2(arguments: list[str]) -> None:
    assert run(arguments) == Exit.USAGE


@pytest.mark.parametrize(
    ("status", "code"), [(400, 2), (401, 4), (403, 4), (404, 6), (409, 7), (422, 2), (429, 9), (500, 1), (503, 9)]
)
def test_each_http_status_has_its_exit_code(status: int, code: int) -> None:
    assert exit_for_status(status) == code


@pytest.mark.parametrize(("status", "code"), [("success", 0), ("failed", 5), ("needs_review", 5), ("cancelled", 3)])
def test_a_waited_for_job_ends_the_command_as_it_ended(status: str, code: int) -> None:
    assert exit_code({"status": status}) == code


def test_flags_win_over_environment_and_environment_over_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["context", "add", "work", "--gateway", "http://one", "--api-key", "k1", "--project", "p1"]) == Exit.OK
    assert resolve(None, None, None).gateway == "http://one"
    monkeypatch.setenv("SOULCASTER_GATEWAY", "http://two")
    assert resolve(None, None, None).gateway == "http://two"
    assert resolve("http://three/", None, None).gateway == "http://three"


def test_contexts_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    run(["context", "add", "work", "--gateway", "http://one", "--api-key", "k1"])
    file = tmp_path / "config" / "soulcaster" / "contexts.json"
    assert file.stat().st_mode & 0o077 == 0


def test_a_broken_contexts_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config" / "soulcaster" / "contexts.json"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    assert run(["clusters"]) == Exit.CONFIGURATION
    assert str(file) in capsys.readouterr().err


def test_the_demo_payloads_are_recognised_by_their_shape() -> None:
    found = {path.name: guess_source(json.loads(path.read_text())) for path in PAYLOADS.glob("*.json")}
    assert found == {
        "1-sentry-event-alert.json": "sentry",
        "2-sentry-error.json": "sentry",
        "3-manual.json": "manual",
        "4-github-issue.json": "github",
        "5-manual-other.json": "manual",
    }


def test_plain_text_is_one_manual_report(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("Checkout fails\nfor 999")
    assert read_reports(str(tmp_path / "r.txt")) == [{"text": "Checkout fails\nfor 999"}]


def test_json_lines_are_several_reports(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"text": "a"}\n\n{"text": "b"}\n')
    assert read_reports(str(tmp_path / "r.jsonl")) == [{"text": "a"}, {"text": "b"}]


@pytest.mark.parametrize("content", [b"", b"  \n", b"\xff\xfe\x00", b'{"text": "a"}\n{"text":'])
def test_an_unusable_file_is_refused_whole(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.json"
    file.write_bytes(content)
    with pytest.raises(CliError) as error:
        read_reports(str(file))
    assert error.value.code == Exit.USAGE


def test_a_signature_is_the_hex_hmac_sha256_of_the_raw_body() -> None:
    # RFC 4231, test case 2.
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert signature("sentry", "Jefe", b"what do ya want for nothing?")["sentry-hook-signature"] == expected


def test_up_refuses_a_repository_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--repo", str(tmp_path), "--data", str(tmp_path / "d")]) == Exit.USAGE
    assert "is not a Git repository" in capsys.readouterr().err


def test_offline_clustering_reads_and_writes_files(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"id": "1", "source": "manual", "title": "a", "body": "b"}\n')
    code = run(["cluster", "--input", str(tmp_path / "in.jsonl"), "--output", str(tmp_path / "out.jsonl")])
    assert code == Exit.OK
    assert json.loads((tmp_path / "out.jsonl").read_text())["id"] == "1"
