"""An agent whose program lies in the sandbox's template instead of on this machine."""

from typing import Final

from runner_core.protocols import Agent, EventParser, Invocation, Layout, Tool
from schemas.errors import Failure

KILOCODE: Final = "7.7.7"  # both are pinned in deploy/e2b/template.py too; a test holds them equal
OPENCODE: Final = "1.18.33"


class InTemplate:
    """See ``runner_core.protocols.Agent``. The template puts the program where ``agent`` expects it mounted."""

    tools: tuple[Tool, ...] = ()

    def __init__(self, agent: Agent, version: str) -> None:
        self._agent = agent
        self.name = f"{agent.name} {version}"

    async def probe(self) -> Failure | None:
        """Nothing of it is here to try; a template without it fails the attempt with the agent's exit code 127."""
        return None

    def invocation(self, prompt: str, layout: Layout, *, key: str, model: str, seconds: float) -> Invocation:
        return self._agent.invocation(prompt, layout, key=key, model=model, seconds=seconds)

    def parser(self, layout: Layout) -> EventParser:
        return self._agent.parser(layout)
