"""An agent that is a shell script: real processes in a real sandbox, without a model's whims."""

from typing import Literal

from runner_core.protocols import Command, EventParser, Exit, Invocation, Layout, Line, Tool, Verdict
from schemas.errors import Failure


class PlainText:
    """Each line of output is a line of the log."""

    def __init__(self) -> None:
        self._last = ""

    def line(self, text: str, stream: Literal["stdout", "stderr"]) -> list[Line]:
        self._last = text[:200] or self._last
        return [Line(text, stream="agent" if stream == "stdout" else "stderr")]

    def verdict(self, exit: Exit) -> Verdict:
        if exit.code == 0:
            return Verdict(summary=self._last)
        return Verdict(Failure(kind="agent", reason=f"The agent ended with exit code {exit.code}."), self._last)


class ScriptedAgent:
    """Runs ``script`` with ``sh`` in the workspace. The environment has PROMPT, MODEL_URL and MODEL_KEY."""

    name = "scripted 1.0.0"
    tools: tuple[Tool, ...] = ()

    def __init__(self, script: str, problem: Failure | None = None) -> None:
        self._script, self._problem = script, problem

    async def probe(self) -> Failure | None:
        return self._problem

    def invocation(self, prompt: str, layout: Layout, *, key: str, model: str, seconds: float) -> Invocation:
        path = f"{layout.inbox}/agent.sh"
        env = {"MODEL_URL": layout.model_url, "MODEL_KEY": key}
        command = Command(argv=["sh", path], env=env, stdin=prompt.encode(), timeout=seconds)
        return Invocation(files={path: self._script.encode()}, command=command)

    def parser(self, layout: Layout) -> EventParser:
        return PlainText()
