"""What a runner is made of, chosen once by the service and handed to every attempt."""

from dataclasses import dataclass, field
from pathlib import Path

from messaging.ports import Bus
from runner_core.lease import Timing
from runner_core.metering import Prices
from runner_core.model_proxy import Endpoint
from runner_core.outcomes import AttemptFailed
from runner_core.protocols import Agent, SandboxProvider
from runner_core.publisher import Publisher
from runner_core.source import Source
from runtime.seal import Sealer
from schemas.attempts import RunnerTask
from schemas.errors import Failure

SHORTEST_KEY = 12  # shorter "keys" are the words that servers without keys accept; masking them would blank out text


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. ``stall``: an agent that prints nothing and asks nothing for so long hangs (longer than the longest
    command it may run). ``reserve``: kept back of the job's time for verifying and publishing. ``save_every``: between
    two savings of the work so far. ``save``: to take the work out of a sandbox, ``save_on_stop`` when the runner is
    told to stop."""

    stall: float = 660.0
    reserve: float = 120.0
    save_every: float = 120.0
    save: float = 30.0
    save_on_stop: float = 4.0


@dataclass(frozen=True, slots=True)
class Kit:
    """``endpoint`` is None where no model is configured; ``folder`` holds the attempts' own folders. ``rounds``: how
    often the agent may be sent back in one attempt because tests fail. ``setup_hosts``: hosts that set-up commands may
    reach (``host``, ``host:port``, ``*.host``); none: they have no network, whatever a repository asks for."""

    bus: Bus
    runner: str
    instance: str
    provider: SandboxProvider
    agent: Agent
    source: Source
    publisher: Publisher
    folder: Path
    endpoint: Endpoint | None
    prices: Prices | None = None  # of the endpoint's model; None: not known, only tokens are limited
    sealer: Sealer | None = None
    own_tokens: dict[str, str] = field(default_factory=dict)  # host -> token, for repositories without a user's token
    timing: Timing = field(default_factory=Timing)
    patience: Patience = Patience()
    rounds: int = 1
    setup_hosts: tuple[str, ...] = ()
    others: tuple[Agent, ...] = ()  # agents that a task may ask for by name instead of ``agent``

    def agent_for(self, task: RunnerTask) -> Agent:
        """The agent that the task asks for, by the name before its version. Raises AttemptFailed."""
        if task.agent is None:
            return self.agent
        for agent in (self.agent, *self.others):
            if agent.name.split()[0] == task.agent:
                return agent
        has = ", ".join(agent.name.split()[0] for agent in (self.agent, *self.others))
        reason = f"Runner {self.runner} has no agent called {task.agent}; it has {has}."
        action = "Name one of those, or leave it to the runner."
        raise AttemptFailed(Failure(kind="configuration", reason=reason, action=action))

    async def problem(self, agent: Agent | None = None) -> Failure | None:
        """Why no attempt (with ``agent``, else the default one) can succeed here now, with what to do."""
        if self.endpoint is None:
            return Failure(
                kind="configuration",
                reason="No model is configured.",
                action="Set OPENAI_API_KEY (or OPENAI_BASE_URL of a server without keys) and OPENAI_MODEL.",
            )
        return await self.provider.probe() or await (agent or self.agent).probe()
