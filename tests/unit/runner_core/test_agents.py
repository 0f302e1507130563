"""The agents behind the one protocol: how each is started, and which one a task gets."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from messaging.memory import MemoryBus
from runner_core.agents.kilocode import Kilocode
from runner_core.agents.kilocode_old import Events
from runner_core.agents.opencode import DENIED, HARDENING, Opencode
from runner_core.kit import Kit
from runner_core.outcomes import AttemptFailed
from runner_core.protocols import Exit, Layout
from runner_core.publisher import Publisher
from runner_core.source import Source
from services.runner_sandbox.unsafe import UnsafeProvider
from tests.support.attempts import task
from tests.support.scripted_agent import ScriptedAgent

LAYOUT = Layout(workspace="/workspace", home="/home/agent", inbox="/inbox", model_url="http://127.0.0.1:8088/v1")


def stand_in(folder: Path, version: str) -> Path:
    """A program that only knows its version."""
    path = folder / "kilo"
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return path


def test_opencode_is_started_headless_on_our_endpoint_alone() -> None:
    invoked = Opencode(Path("/x/opencode")).invocation("Fix it", LAYOUT, key="run-key", model="m/1", seconds=60)
    assert list(invoked.command.argv) == [
        "/opt/opencode/opencode", "run", "--auto", "--format", "json", "-m", "soulcaster/m/1",
    ]  # fmt: skip
    assert (invoked.command.stdin, invoked.command.timeout) == (b"Fix it", 60)
    ((path, data),) = invoked.files.items()
    assert (path, invoked.command.env["OPENCODE_CONFIG"]) == ("/inbox/opencode.json", "/inbox/opencode.json")
    config = json.loads(data)
    provider = config["provider"]["soulcaster"]["options"]
    assert (provider["baseURL"], provider["apiKey"]) == (LAYOUT.model_url, "run-key")
    assert config["enabled_providers"] == ["soulcaster"]
    rules = list(config["permission"].items())
    assert rules[0] == ("*", "allow"), "the last matching rule wins"
    assert all(config["permission"][tool] == "deny" for tool in DENIED)
    assert HARDENING.items() <= invoked.command.env.items()
    assert "Fix it" not in " ".join(invoked.command.argv)


async def test_a_current_kilocode_gets_its_current_configuration(tmp_path: Path) -> None:
    agent = Kilocode(stand_in(tmp_path, "7.7.7"))
    assert await agent.probe() is None
    invoked = agent.invocation("Fix it", LAYOUT, key="k", model="m", seconds=60)
    assert (agent.name, agent.old, list(invoked.files)) == ("kilocode 7.7.7", False, ["/inbox/kilo.json"])


async def test_an_old_kilocode_gets_its_old_command_line_and_configuration(tmp_path: Path) -> None:
    agent = Kilocode(stand_in(tmp_path, "0.26.1"))
    assert await agent.probe() is None
    invoked = agent.invocation("Fix it", LAYOUT, key="run-key", model="m", seconds=60)
    assert agent.old
    assert list(invoked.command.argv) == [
        "/opt/kilocode/kilo", "--auto", "--json", "--mode", "code", "--workspace", "/workspace", "--timeout", "55",
    ]  # fmt: skip
    assert invoked.command.stdin == b"Fix it"
    config = json.loads(invoked.files["/home/agent/.kilocode/cli/config.json"])
    assert (config["version"], config["mode"], config["telemetry"]) == ("1.0.0", "code", False)
    assert config["providers"] == [
        {
            "id": "soulcaster", "provider": "openai", "openAiBaseUrl": LAYOUT.model_url, "openAiApiKey": "run-key",
            "openAiModelId": "m",
        }
    ]  # fmt: skip
    allowed = config["autoApproval"]
    assert (allowed["execute"]["allowed"], allowed["write"]["outside"], allowed["browser"]) == (
        ["*"], False, {"enabled": False},
    )  # fmt: skip
    assert isinstance(agent.parser(LAYOUT), Events)


def said(**fields: Any) -> str:
    return json.dumps({"timestamp": 1, "source": "extension", "type": "say", **fields})


def test_an_old_kilocodes_messages_become_lines_and_a_verdict() -> None:
    events = Events()
    lines = [
        line.text
        for text in (
            said(say="api_req_started", metadata={"request": "long"}),
            said(say="text", content="I look", partial=True),
            said(say="text", content="I look at it."),
            json.dumps({"source": "extension", "type": "ask", "ask": "command", "content": "make test"}),
            said(say="command_output", content="ok\ndone"),
            said(say="completion_result", content="It adds now."),
            "not json",
        )
        for line in events.line(text, "stdout")
    ]
    assert lines == ["I look at it.", "$ make test", "ok", "done", "It adds now.", "not json"]
    verdict = events.verdict(Exit(0))
    assert (verdict.failure, verdict.summary, verdict.steps) == (None, "It adds now.", 1)


@pytest.mark.parametrize(("code", "kind"), [(124, "budget"), (1, "agent")])
def test_an_old_kilocodes_exit_codes_are_known(code: int, kind: str) -> None:
    events = Events()
    events.line(said(say="error", content="no such model"), "stdout")
    failure = events.verdict(Exit(code)).failure
    assert failure is not None
    assert failure.kind == kind
    assert ("no such model" in failure.reason) == (kind == "agent")


@pytest.mark.parametrize("line", ["", "{", "[1]", "{}", '{"type": "say", "say": 3}', '{"say": "text"}', "{" * 3000])
def test_no_line_of_an_old_kilocode_breaks_the_reading(line: str) -> None:
    assert isinstance(Events().line(line, "stdout"), list)


def test_a_task_gets_the_agent_it_names_and_is_refused_one_that_is_not_there(
    memory_bus: MemoryBus, tmp_path: Path
) -> None:
    usual = ScriptedAgent("true")
    other = ScriptedAgent("true")
    other.name = "opencode 1.18.33"
    kit = Kit(
        bus=memory_bus, runner="r", instance="i", provider=UnsafeProvider(tmp_path, []), agent=usual,
        source=Source(tmp_path), publisher=Publisher([]), folder=tmp_path, endpoint=None, others=(other,),
    )  # fmt: skip
    assert kit.agent_for(task("/r")) is usual
    assert kit.agent_for(task("/r", agent="opencode")) is other
    with pytest.raises(AttemptFailed) as error:
        kit.agent_for(task("/r", agent="codex"))
    assert error.value.failure.kind == "configuration"
    assert error.value.failure.reason == "Runner r has no agent called codex; it has scripted, opencode."
    assert replace(kit, others=()).agent_for(task("/r", agent="scripted")) is usual
