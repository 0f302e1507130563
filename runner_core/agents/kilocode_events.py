"""Kilocode's ``--format json`` events, one JSON object a line, as lines that a person reads. Pure."""

import json
import re
from typing import Any, Final, Literal

from runner_core.protocols import Exit, Line, Verdict
from schemas.errors import Failure

MOST_DIFF: Final = 60  # lines of an edit's diff that are shown
MOST_OUTPUT: Final = 400  # lines of a command's output that are shown
ANSI: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
SILENT: Final = frozenset({"step_start", "reasoning"})


class KilocodeEvents:
    """See ``runner_core.protocols.EventParser``. What is no event is shown as it came."""

    def __init__(self, workspace: str) -> None:
        self._prefix = workspace.rstrip("/") + "/"
        self._workspace = workspace
        self._error: tuple[str, int | None] | None = None
        self._said = ""
        self._stderr = ""
        self._steps = 0

    def line(self, text: str, stream: Literal["stdout", "stderr"]) -> list[Line]:
        if stream == "stderr":
            return self._from_stderr(text)
        event = _event(text)
        if event is None:
            return [Line(_plain(text))] if text.strip() else []
        part = event.get("part")
        return self._from_event(str(event.get("type")), event, part if isinstance(part, dict) else {})

    def verdict(self, exit: Exit) -> Verdict:
        if self._error is not None:
            return Verdict(_failure(*self._error), self._said, self._steps)
        if exit.code == 0:
            return Verdict(None, self._said, self._steps)
        reason = f"The agent ended with exit code {exit.code}."
        return Verdict(Failure(kind="agent", reason=reason, detail=self._stderr), self._said, self._steps)

    def _from_stderr(self, text: str) -> list[Line]:
        plain = _plain(text)
        if not plain.strip():
            return []
        self._stderr = f"{self._stderr}\n{plain}"[-2000:].strip()
        return [Line(plain, stream="stderr")]

    def _from_event(self, kind: str, event: dict[str, Any], part: dict[str, Any]) -> list[Line]:
        if kind == "text":
            self._said = str(part.get("text") or "").strip()
            return [Line(line) for line in self._said.splitlines()]
        if kind == "tool_use":
            return self._tool(part)
        if kind == "step_finish":
            self._steps += 1
            self._error = None  # a step that ended well overcame what went wrong before
            return []
        if kind == "error":
            self._error = _error(event.get("error"))
            return [Line(f"error: {self._error[0]}", stream="stderr")]
        return [] if kind in SILENT else [Line(f"({kind})")]

    def _tool(self, part: dict[str, Any]) -> list[Line]:
        state = part.get("state") if isinstance(part.get("state"), dict) else {}
        assert isinstance(state, dict)
        given = state.get("input") if isinstance(state.get("input"), dict) else {}
        assert isinstance(given, dict)
        step = str(part.get("callID") or "") or None
        texts = [self._title(str(part.get("tool")), given)]
        if state.get("status") == "error":
            texts += [f"  refused: {state.get('error')}"]
        else:
            texts += self._result(str(part.get("tool")), state)
        return [Line(self._relative(_plain(text)), step=step) for text in texts]

    def _title(self, tool: str, given: dict[str, Any]) -> str:
        match tool:
            case "bash":
                return f"$ {given.get('command', '')}"
            case "read" | "edit" | "write":
                return f"{tool} {given.get('filePath', '')}"
            case "glob" | "grep":
                where = f" in {given['path']}" if given.get("path") else ""
                return f"{tool} {given.get('pattern', '')}{where}"
            case "todowrite":
                return "plan of the agent"
        return f"{tool} {json.dumps(given, ensure_ascii=False)[:300]}"

    def _result(self, tool: str, state: dict[str, Any]) -> list[str]:
        metadata = state.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        if tool in ("edit", "write") and metadata.get("diff"):
            return _some(_changed_lines(str(metadata["diff"])), MOST_DIFF)
        if tool == "bash":
            code = metadata.get("exit")
            ending = [f"  exit code {code}"] if code not in (0, None) else []
            return [*_some(str(state.get("output") or "").splitlines(), MOST_OUTPUT), *ending]
        if tool == "todowrite":
            return _todos(state)
        return []

    def _relative(self, text: str) -> str:
        return text.replace(self._prefix, "")


def _todos(state: dict[str, Any]) -> list[str]:
    given = state.get("input")
    todos = given.get("todos") if isinstance(given, dict) else None
    marks = {"completed": "x", "in_progress": ">"}
    entries = [todo for todo in todos if isinstance(todo, dict)] if isinstance(todos, list) else []
    return [f"  [{marks.get(str(todo.get('status')), ' ')}] {todo.get('content', '')}" for todo in entries]


def _event(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and "type" in event else None


def _error(error: Any) -> tuple[str, int | None]:
    if isinstance(error, dict):
        data = error.get("data")
        data = data if isinstance(data, dict) else {}
        status = data.get("statusCode")
        return str(data.get("message") or error.get("name") or error), status if isinstance(status, int) else None
    return str(error), None


def _failure(message: str, status: int | None) -> Failure:
    if status is not None and (status in (401, 402, 403, 408, 429) or status >= 500):
        return Failure(kind="model_unavailable", reason=f"The agent's model call failed ({status}): {message}")
    return Failure(kind="agent", reason=f"The agent reported an error: {message}")


def _changed_lines(diff: str) -> list[str]:
    """The hunks of a unified diff without its file headers."""
    headers = ("Index: ", "====", "--- ", "+++ ", "\\ No newline")
    return [f"  {line}" for line in diff.splitlines() if not line.startswith(headers)]


def _some(lines: list[str], most: int) -> list[str]:
    """All lines, or the first and the last ones with how many were left out between."""
    if len(lines) <= most:
        return lines
    half = most // 2
    return [*lines[:half], f"  ... {len(lines) - 2 * half} lines ...", *lines[-half:]]


def _plain(text: str) -> str:
    return ANSI.sub("", text).replace("\r", "")
