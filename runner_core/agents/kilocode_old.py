"""Kilocode CLI releases before 1.0, which were the editor's extension behind a terminal: their command line, their
``config.json`` (its JSON Schema, "Kilo Code CLI Configuration" 1.0.0) and their ``--json`` messages. Pure.

From 1.0 on the CLI is a descendant of opencode and reads nothing of this file.
"""

import json
from typing import Any, Final, Literal

from runner_core.agents.kilocode_events import ANSI
from runner_core.protocols import Command, Exit, Invocation, Layout, Line, Verdict
from schemas.errors import Failure

PROVIDER: Final = "soulcaster"
TIMED_OUT: Final = 124  # its own ``--timeout``
SHOWN: Final = frozenset({"text", "completion_result", "error", "api_req_failed", "command", "command_output", "tool"})


def invocation(program: str, prompt: str, layout: Layout, *, key: str, model: str, seconds: float) -> Invocation:
    """One autonomous run; the prompt comes on stdin, the configuration from the home folder."""
    argv = [program, "--auto", "--json", "--mode", "code", "--workspace", layout.workspace]
    argv += ["--timeout", str(max(int(seconds) - 5, 1))]
    config = json.dumps(configuration(layout, key, model), indent=1).encode()
    return Invocation(
        files={f"{layout.home}/.kilocode/cli/config.json": config},
        command=Command(argv=argv, env={"KILO_TELEMETRY": "false"}, stdin=prompt.encode(), timeout=seconds),
    )


def configuration(layout: Layout, key: str, model: str) -> dict[str, Any]:
    """All that the agent needs is approved beforehand; what it must not do is refused, not asked."""
    on, off = {"enabled": True}, {"enabled": False}
    return {
        "version": "1.0.0",
        "mode": "code",
        "telemetry": False,
        "provider": PROVIDER,
        "providers": [
            {
                "id": PROVIDER,
                "provider": "openai",
                "openAiBaseUrl": layout.model_url,
                "openAiApiKey": key,
                "openAiModelId": model,
            }
        ],
        "autoApproval": {
            "enabled": True,
            "read": {"enabled": True, "outside": False},
            "write": {"enabled": True, "outside": False, "protected": False},
            "execute": {"enabled": True, "allowed": ["*"], "denied": ["git push"]},
            "browser": off,
            "mcp": off,
            "mode": on,
            "subtasks": off,
            "question": off,
            "retry": off,
            "todo": on,
        },
    }


class Events:
    """See ``runner_core.protocols.EventParser``. One JSON message a line; a partial one is followed by the whole."""

    def __init__(self) -> None:
        self._said = self._error = self._stderr = ""
        self._steps = 0

    def line(self, text: str, stream: Literal["stdout", "stderr"]) -> list[Line]:
        plain = ANSI.sub("", text).replace("\r", "")
        if stream == "stderr":
            self._stderr = f"{self._stderr}\n{plain}"[-2000:].strip()
            return [Line(plain, stream="stderr")] if plain.strip() else []
        message = _message(plain)
        if message is None:
            return [Line(plain)] if plain.strip() else []
        return self._from_message(message)

    def verdict(self, exit: Exit) -> Verdict:
        if exit.code == 0:
            return Verdict(None, self._said, self._steps)
        if exit.code == TIMED_OUT:
            failure = Failure(kind="budget", reason="The agent did not end within its time.", action="Narrow the plan.")
            return Verdict(failure, self._said, self._steps)
        reason = f"The agent reported an error: {self._error}" if self._error else ""
        reason = reason or f"The agent ended with exit code {exit.code}."
        return Verdict(Failure(kind="agent", reason=reason, detail=self._stderr), self._said, self._steps)

    def _from_message(self, message: dict[str, Any]) -> list[Line]:
        kind = str(message.get("say") or message.get("ask") or message.get("type") or "")
        if message.get("partial") or kind not in SHOWN:
            self._steps += kind == "api_req_started" and not message.get("partial")
            return []
        content = str(message.get("content") or message.get("text") or "").strip()
        if kind in ("error", "api_req_failed"):
            self._error = content
            return [Line(f"error: {line}", stream="stderr") for line in content.splitlines()]
        if kind in ("text", "completion_result"):
            self._said = content or self._said
        mark = "$ " if kind == "command" else ""
        return [Line(f"{mark}{line}") for line in content.splitlines()]


def _message(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and ("type" in found or "say" in found) else None
