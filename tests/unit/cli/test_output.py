"""What the command prints can be trusted: no report drives the terminal."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.output import ago, detail, emit, log_line, plain, span

HOSTILE = [
    "\x1b]0;new title\x07text",
    "\x1b]52;c;aGVsbG8=\x07text",
    "\x1b]8;;javascript:alert(1)\x07text\x1b]8;;\x07",
    "\x1b[2J\x1b[Htext",
    "\x1bPq#0~~\x1b\\text",
    "te\u202ext".replace("\u202e", ""),
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_escape_sequences_never_reach_the_terminal(hostile: str) -> None:
    assert plain(hostile) == "text"


@given(st.text())
def test_no_control_character_survives_but_tab_and_newline(text: str) -> None:
    assert not {c for c in plain(text) if ord(c) < 32 or 127 <= ord(c) < 160} - {"\t", "\n"}


@given(st.text())
def test_a_coloured_line_holds_no_escape_but_colours(text: str) -> None:
    printed = log_line("\x1b[31m" + text + "\x1b]0;x\x07", colour=True)
    assert printed.count("\x1b") == sum(printed.count(s) for s in ("\x1b[",))
    assert "\x1b]" not in printed


def test_colours_stay_on_a_terminal_and_go_in_a_pipe() -> None:
    assert log_line("\x1b[32mok\x1b[0m", colour=True) == "\x1b[32mok\x1b[0m\x1b[0m"
    assert log_line("\x1b[32mok\x1b[0m", colour=False) == "ok"


def test_rows_in_a_pipe_are_one_line_each_and_tab_separated(capsys: pytest.CaptureFixture[str]) -> None:
    emit([{"id": "1", "title": "a\tb\nc"}], fmt="table", columns=[("ID", "id"), ("Title", "title")])
    assert capsys.readouterr().out == "id\ttitle\n1\ta b c\n"


def test_ndjson_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    emit([{"id": 1}, {"id": 2}], fmt="ndjson")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [{"id": 1}, {"id": 2}]


def test_an_empty_list_says_so_on_stderr_and_prints_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    emit([], fmt="table", columns=[("ID", "id")], empty="Nothing is stuck.")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Nothing is stuck." in captured.err


def test_times_are_said_in_their_largest_unit() -> None:
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    said = [ago((now - timedelta(seconds=s)).isoformat(), now) for s in (0, 59, 60, 3599, 3600, 86400 * 3)]
    assert said == ["0 s", "59 s", "1 min", "59 min", "1 h", "3 d"]
    assert (ago(None), ago("yesterday")) == ("", "yesterday")
    assert [span(s) for s in (7.9, 750, 3723)] == ["0:07", "12:30", "1:02:03"]


def test_one_thing_in_a_pipe_is_a_line_a_property(capsys: pytest.CaptureFixture[str]) -> None:
    detail([("ID", "j1"), ("Error", None), ("Summary", "a\nb\x1b[2J")])
    assert capsys.readouterr().out == "id\tj1\nsummary\ta b\n"


def test_names_alone_are_ids_without_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    emit([{"id": "a"}, {"job_id": "b"}, {"name": "c\x1b[31m"}], fmt="name")
    assert capsys.readouterr().out == "a\nb\nc\n"
