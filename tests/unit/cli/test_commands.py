"""Exit codes are stable, errors name the next step, and reports are recognised by their shape."""

import fcntl
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.__main__ import run
from cli.commands.jobs import exit_code
from cli.commands.logs import chooser, since_time
from cli.commands.reports import guess_source, read_reports, signature
from cli.context import address, resolve, running_up
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


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("localhost:8080", "http://localhost:8080"),
        ("https://sc.example", "https://sc.example"),
    ],
)
def test_a_gateways_address_is_taken_as_people_write_it(given: str, found: str) -> None:
    assert address(given) == found


@pytest.mark.parametrize("given", ["", "http://", "ftp://host", "http://a b", "http://host:port", "http://h:99999"])
def test_what_is_no_address_is_a_wrong_command_line(given: str) -> None:
    with pytest.raises(CliError) as caught:
        address(given)
    assert caught.value.code == Exit.USAGE


def test_a_remembered_key_is_not_sent_to_another_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    run(["context", "add", "work", "--gateway", "http://127.0.0.1:1", "--api-key", "k1"])
    assert resolve(None, None, None).api_key == "k1"
    assert resolve("http://elsewhere", None, None).api_key == ""
    run(["context", "add", "other", "--gateway", "http://127.0.0.1:2", "--api-key", "k2", "--project", "p2"])
    monkeypatch.setenv("SOULCASTER_GATEWAY", "http://127.0.0.1:3")
    monkeypatch.setenv("SOULCASTER_API_KEY", "env")
    found = resolve(None, None, None, "work")
    assert (found.gateway, found.api_key) == ("http://127.0.0.1:1", "k1"), "a context named on the line wins"
    monkeypatch.setenv("SOULCASTER_CONTEXT", "gone")
    assert run(["jobs"]) == Exit.NOT_FOUND


def test_contexts_are_added_chosen_listed_and_removed(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        assert run(["context", "add", name, "--gateway", f"127.0.0.1:1/{name}", "--api-key", "k"]) == Exit.OK
    assert "It was kept, but: no answer" in capsys.readouterr().err
    assert run(["context", "use", "one"]) == Exit.OK
    run(["context", "list", "-o", "json"])
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["current"]) for row in rows] == [("one", True), ("two", False)]
    assert "api_key" not in rows[0]
    assert run(["context", "remove", "one"]) == Exit.OK
    assert run(["context", "use", "one"]) == Exit.NOT_FOUND
    assert run(["context", "add", "none", "--gateway", "h"]) == Exit.USAGE
    assert run(["context", "add", "x"]) == Exit.USAGE


def test_an_up_is_found_from_the_folders_below_it_and_only_while_it_runs(tmp_path: Path) -> None:
    data, below = tmp_path / ".soulcaster", tmp_path / "a" / "b"
    data.mkdir()
    below.mkdir(parents=True)
    (data / "ready.json").write_text('{"gateway": "http://127.0.0.1:5"}')
    assert running_up(below) == {}, "a killed one leaves its ready file"
    with (data / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert running_up(below)["gateway"] == "http://127.0.0.1:5"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_completion_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == Exit.OK
    script = capsys.readouterr().out
    assert "_SOULCASTER_COMPLETE" in script
    assert f"soulcaster completion {shell}" in script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_that_asks_gets_the_commands_that_fit(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"COMP_WORDS": "soulcaster cl", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "soulcaster cl"}
    asked |= {"_SOULCASTER_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    run([])
    out = capsys.readouterr().out
    assert "clusters" in out
    assert "jobs" not in out


def test_a_wrong_command_line_names_the_help_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    run(["jobs", "--frob"])
    assert "jobs --help" in capsys.readouterr().err
    run(["clutsers"])
    assert "Did you mean" in capsys.readouterr().err


def test_the_log_filters_choose_lines_of_chunks() -> None:
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    assert since_time("10m", now) == now - timedelta(minutes=10)
    assert since_time("2026-11-23T11:00:00Z", now) == now - timedelta(hours=1)
    chunk = {"attempt": 2, "at": "2026-11-23T11:59:00Z", "lines": ["\x1b[31mERROR\x1b[0m a", "b"]}
    assert chooser(None, None, None)(chunk) == chunk["lines"]
    assert chooser(1, None, None)(chunk) == []
    assert chooser(2, now - timedelta(minutes=5), "^ERROR")(chunk) == ["\x1b[31mERROR\x1b[0m a"]
    assert chooser(None, now, None)(chunk) == []
    for bad in ("soon", "10", "-5m"):
        with pytest.raises(CliError):
            since_time(bad, now)
