"""Kilocode's events as lines, its configuration, and how its end is read."""

import json
from pathlib import Path
from typing import Any

import pytest

from runner_core.agents.kilocode import DENIED, Kilocode
from runner_core.agents.kilocode_events import KilocodeEvents
from runner_core.protocols import Exit, Layout

LAYOUT = Layout(workspace="/workspace", home="/home/agent", inbox="/inbox", model_url="http://127.0.0.1:8088/v1")


def event(kind: str, **rest: Any) -> str:
    return json.dumps({"type": kind, "timestamp": 1, "sessionID": "ses_1", **rest})


def tool(name: str, given: dict[str, Any], **state: Any) -> str:
    part = {"tool": name, "callID": "call_1", "state": {"status": "completed", "input": given, **state}}
    return event("tool_use", part=part)


def texts(*lines: str) -> list[str]:
    events = KilocodeEvents("/workspace")
    return [line.text for text in lines for line in events.line(text, "stdout")]


def test_tools_become_readable_lines_with_paths_of_the_repository() -> None:
    diff = "Index: /workspace/a.py\n====\n--- /workspace/a.py\n+++ /workspace/a.py\n@@ -1 +1 @@\n-a - b\n+a + b\n"
    assert texts(tool("read", {"filePath": "/workspace/a.py"})) == ["read a.py"]
    edited = texts(tool("edit", {"filePath": "/workspace/a.py"}, metadata={"diff": diff}))
    assert edited == ["edit a.py", "  @@ -1 +1 @@", "  -a - b", "  +a + b"]
    ran = texts(tool("bash", {"command": "make test"}, output="one\ntwo", metadata={"exit": 2}))
    assert ran == ["$ make test", "one", "two", "  exit code 2"]
    assert texts(tool("grep", {"pattern": "x", "path": "/workspace/src"})) == ["grep x in src"]
    assert texts(tool("todowrite", {"todos": [{"content": "fix", "status": "completed"}]})) == [
        "plan of the agent",
        "  [x] fix",
    ]


def test_lines_of_one_tool_call_share_a_step() -> None:
    lines = KilocodeEvents("/workspace").line(tool("bash", {"command": "ls"}, output="a"), "stdout")
    assert {line.step for line in lines} == {"call_1"}


def test_a_long_output_keeps_its_beginning_and_its_end() -> None:
    lines = texts(tool("bash", {"command": "seq"}, output="\n".join(str(n) for n in range(1000))))
    assert lines[1] == "0"
    assert lines[-1] == "999"
    assert "  ... 600 lines ..." in lines


@pytest.mark.parametrize(
    "line",
    [
        "", "plain words", "{", "[1]", '{"type": 3}', '{"type": "tool_use"}', '{"type": "tool_use", "part": 1}',
        '{"type": "tool_use", "part": {"state": 4}}', '{"type": "text"}', '{"type": "error"}', '{"type": "new_kind"}',
        '{"type": "tool_use", "part": {"tool": "todowrite", "state": {"input": {"todos": [1]}}}}', "{" * 3000,
    ],
)  # fmt: skip
def test_no_line_breaks_the_reading(line: str) -> None:
    assert isinstance(texts(line), list)


def test_the_last_words_are_the_summary_and_steps_are_counted() -> None:
    events = KilocodeEvents("/workspace")
    for line in (
        event("text", part={"text": "first"}),
        event("step_finish", part={}),
        event("text", part={"text": "done"}),
    ):
        events.line(line, "stdout")
    verdict = events.verdict(Exit(0))
    assert (verdict.failure, verdict.summary, verdict.steps) == (None, "done", 1)


def test_an_error_that_a_later_step_overcame_is_forgotten() -> None:
    events = KilocodeEvents("/workspace")
    events.line(event("error", error={"name": "APIError", "data": {"message": "busy", "statusCode": 429}}), "stdout")
    failure = events.verdict(Exit(1)).failure
    assert failure is not None
    assert (failure.kind, "busy" in failure.reason) == ("model_unavailable", True)
    events.line(event("step_finish", part={}), "stdout")
    assert events.verdict(Exit(0)).failure is None


def test_a_bad_exit_carries_what_was_said_on_stderr_without_colours() -> None:
    events = KilocodeEvents("/workspace")
    events.line("\x1b[91mModel not found\x1b[0m", "stderr")
    failure = events.verdict(Exit(1)).failure
    assert failure is not None
    assert (failure.kind, failure.detail) == ("agent", "Model not found")


def test_the_command_has_the_prompt_on_stdin_and_a_model_and_no_key() -> None:
    made = Kilocode(Path("/opt/k/kilo")).invocation("Fix it", LAYOUT, key="run-key", model="m/x", seconds=9)
    argv = list(made.command.argv)
    assert argv[argv.index("-m") + 1] == "soulcaster/m/x"
    assert (made.command.stdin, made.command.timeout) == (b"Fix it", 9)
    assert "run-key" not in " ".join([*argv, *made.command.env.values()])
    assert made.command.env["KILO_DISABLE_PROJECT_CONFIG"] == "1"


def test_denials_stand_behind_the_permission_for_all_because_the_last_match_wins() -> None:
    made = Kilocode(Path("/opt/k/kilo")).invocation("Fix it", LAYOUT, key="run-key", model="m", seconds=9)
    config = json.loads(made.files["/inbox/kilo.json"])
    rules = list(config["permission"])
    assert rules[0] == "*"
    assert set(DENIED) < set(rules)
    assert config["provider"]["soulcaster"]["options"]["baseURL"] == LAYOUT.model_url
    assert config["enabled_providers"] == ["soulcaster"]


async def test_a_missing_binary_is_told_with_what_to_do(tmp_path: Path) -> None:
    problem = await Kilocode(tmp_path / "kilo").probe()
    assert problem is not None
    assert problem.kind == "configuration"
    assert "make setup" in problem.action


async def test_a_binary_that_does_not_start_is_told(tmp_path: Path) -> None:
    (tmp_path / "kilo").write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    (tmp_path / "kilo").chmod(0o755)
    problem = await Kilocode(tmp_path / "kilo").probe()
    assert problem is not None
    assert "broken" in problem.detail
