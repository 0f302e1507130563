"""What the steps of one attempt share, and the sandboxes they make."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from runner_core.agent_run import AgentRun
from runner_core.kit import Kit
from runner_core.lease import Lease
from runner_core.log_archive import LogArchive
from runner_core.logs import LogPipe
from runner_core.masking import Needles
from runner_core.metering import Meter
from runner_core.protocols import Agent, Followed, Sandbox, SandboxSpec, Tag
from runner_core.setting_up import SetUp
from schemas.attempts import RunnerTask
from schemas.jobs import Phase, Usage, Waiting

BUNDLE_FACTOR = 4  # a bundle may weigh this much more than the patch may, before the gate says it better


@dataclass(slots=True)
class Bench:
    """``saving``: seconds to take the work out when the attempt is stopped. ``resumed_from``: the attempt whose saved
    work this one began with. ``rounds``: how often the agent was sent back; ``earlier_seconds`` it worked before."""

    kit: Kit
    task: RunnerTask
    lease: Lease
    meter: Meter
    folder: Path
    pipe: LogPipe
    archive: LogArchive
    needles: Needles
    token: str | None
    usage: Callable[[], Usage]
    saving: float = 0.0
    run: AgentRun | None = None
    resumed_from: int | None = None
    rounds: int = 0
    earlier_seconds: float = 0.0
    setup: SetUp = field(default_factory=SetUp)
    protected: tuple[str, ...] = ()  # paths of the repository's own whose change waits for a person
    followed: Followed | None = None  # the pull request that a follow-up works on

    @property
    def agent_seconds(self) -> float:
        return self.earlier_seconds + (self.run.seconds if self.run else 0.0)

    def begin(self, run: AgentRun) -> None:
        """The agent is about to work, for the first time or again."""
        self.earlier_seconds, self.run = self.agent_seconds, run

    def agent_time(self) -> float:
        """Seconds that the agent may still work."""
        return min(self.task.limits.wall_seconds - self.agent_seconds, self.remaining() - self.kit.patience.reserve)

    def enter(self, phase: Phase) -> None:
        self.pipe.phase = phase
        self.lease.enter(phase)

    def remaining(self) -> float:
        """Seconds until the job's deadline."""
        return max((self.task.deadline - datetime.now(UTC)).total_seconds(), 0.0)

    @property
    def agent(self) -> Agent:
        """The coding agent of this job. Raises AttemptFailed when the runner has none of that name."""
        return self.kit.agent_for(self.task)

    @property
    def own_token(self) -> str | None:
        """The user's token, else the runner's own for that host."""
        return self.token or self.kit.own_tokens.get(urlsplit(self.task.repo_url).hostname or "")

    @property
    def source_url(self) -> str:
        """The repository that the work begins from: a follow-up's may be a fork."""
        return self.followed.target.repo_url if self.followed else self.task.repo_url

    async def tell(self, text: str, until: datetime | None = None) -> None:
        """See ``runner_core.protocols.Tell``."""
        self.lease.wait(None if until is None else Waiting(reason=text, until=until))
        await self.pipe.system(text)

    async def credential(self, purpose: Literal["fetch", "publish"]) -> str | None:
        """The token that git is to use, and that no word of ours may hold. Raises ForgeError."""
        token = await self.kit.publisher.credential(self.source_url, self.own_token, purpose, self.tell)
        if token is not None and token != self.own_token:
            self.needles.add("github-app-token", token)
        return token

    @property
    def bundle_limit(self) -> int:
        """Bytes of a bundle that are taken out of a sandbox."""
        return self.task.limits.patch_bytes * BUNDLE_FACTOR + 1024 * 1024

    @asynccontextmanager
    async def sandbox(self, purpose: str, lifetime: float) -> AsyncIterator[Sandbox]:
        """A sandbox for as long as the block; one for ``agent`` reaches the model proxy, others reach nothing."""
        sandbox = await self.kit.provider.create(self._spec(purpose, lifetime))
        try:
            yield sandbox
        finally:
            await asyncio.shield(sandbox.destroy())

    def _spec(self, purpose: str, lifetime: float) -> SandboxSpec:
        task, agent = self.task, purpose == "agent"
        return SandboxSpec(
            tag=Tag(task.runner, task.job_id, task.attempt, purpose),
            lifetime=lifetime,
            memory_bytes=task.limits.memory_bytes,
            processes=task.limits.processes,
            tools=self.agent.tools if agent else (),
            model_socket=self.folder / "model.sock" if agent else None,
            setup_socket=self.setup.socket,
            setup_hosts=tuple(self.setup.allowed.names) if self.setup.socket else (),
        )
