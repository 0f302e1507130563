"""What a runner is made of: ``SandboxProvider`` and ``Sandbox``, ``Agent``, ``Forge``. Small classes, no flags.

A third runner implements ``SandboxProvider`` and ``Sandbox``, passes
``tests/contract/test_sandbox_conformance.py``, and calls ``runner_core.service.serve_runner`` with them.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from schemas.attempts import RunnerTask
from schemas.errors import Failure
from schemas.jobs import Remark
from schemas.logs import LogStream


class SandboxError(Exception):
    """A sandbox did not do what was asked. ``failure`` says why and what to do; ``infrastructure`` unless told."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Tag:
    """Who a sandbox belongs to: found again by it after a crash of the runner."""

    runner: str
    job_id: str
    attempt: int
    purpose: str = "agent"  # agent, check


@dataclass(frozen=True, slots=True)
class Tool:
    """A folder of the host that the local sandbox shows read-only; remote ones have it in their image or template."""

    source: Path
    destination: str


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """What to create. ``lifetime`` is in seconds: the provider ends the sandbox then even if the runner is gone.

    ``model_socket`` is the unix socket of the model proxy and ``model_url`` its address for a remote sandbox; with
    neither the sandbox reaches nothing. ``setup_socket`` is the unix socket of an HTTP proxy that set-up commands may
    use, and they alone; ``setup_hosts`` are the hosts behind it, for a provider that has a filter of its own.
    """

    tag: Tag
    lifetime: float
    memory_bytes: int
    processes: int
    disk_bytes: int = 4 * 1024**3
    tools: tuple[Tool, ...] = ()
    model_socket: Path | None = None
    model_url: str | None = None
    setup_socket: Path | None = None
    setup_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """Absolute paths inside a sandbox, and where the model endpoint is found there (empty: none).

    ``setup_url`` is the HTTP proxy for commands of the set-up; empty: their way out is open without one; None: they
    have none here.
    """

    workspace: str
    home: str
    inbox: str  # files of ours: bundles, scripts
    model_url: str = ""
    setup_url: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """``argv`` is run without a shell in ``cwd`` (default the workspace) with ``env`` over an empty environment.

    ``stdin`` is given whole and closed. After ``timeout`` seconds the command's whole process tree is killed. One with
    ``setup`` may reach what ``SandboxSpec`` says, where ``Layout.setup_url`` is not None; no other command ever does.
    """

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    stdin: bytes = b""
    timeout: float = 600.0
    setup: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of what a command printed, cut anywhere."""

    stream: Literal["stdout", "stderr"]
    data: bytes


@dataclass(frozen=True, slots=True)
class Exit:
    """The last thing ``run`` yields. ``code`` is None when a signal or the sandbox ended the command; ``why`` tells."""

    code: int | None
    why: Literal["exited", "timeout", "signal", "memory", "disk", "processes", "gone"] = "exited"
    seconds: float = 0.0


class Sandbox(Protocol):
    """One live sandbox. Every method raises SandboxError when the sandbox is gone or its provider fails."""

    id: str
    layout: Layout

    async def put(self, path: str, data: bytes | Path, *, executable: bool = False) -> None:
        """Write a file below ``layout.inbox``, ``home`` or ``workspace``; parents are made. ``data`` may be a file of
        the host's, which may be large."""

    def run(self, command: Command) -> AsyncGenerator[Output | Exit, None]:
        """Run to the end; closing the iterator kills the command's whole process tree."""

    async def get(self, path: str, *, limit: int) -> bytes:
        """A regular file's bytes, never following a symlink; SandboxError of class ``gate`` above ``limit`` bytes."""

    async def extend(self, lifetime: float) -> None:
        """Live at least ``lifetime`` seconds from now."""

    async def destroy(self) -> None:
        """End every process and remove every trace. Idempotent; done when it returns."""


@dataclass(frozen=True, slots=True)
class Found:
    """A sandbox that exists at the provider."""

    id: str
    tag: Tag


class SandboxProvider(Protocol):
    """A vendor or a mechanism. ``kind`` and ``capabilities`` are shown in ``GET /runners``."""

    kind: str
    capabilities: tuple[str, ...]

    async def probe(self) -> Failure | None:
        """Why no sandbox can be made, with what to do; None when one can. Cheap enough for every start."""

    async def create(self, spec: SandboxSpec) -> Sandbox: ...

    async def find_by_tag(self, runner: str) -> list[Found]:
        """All sandboxes of this runner that exist and are not held by a live process elsewhere, whoever made them."""

    async def destroy(self, sandbox_id: str) -> None:
        """As ``Sandbox.destroy``, by id."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line for the log. ``step`` groups the lines of one tool call."""

    text: str
    stream: LogStream = "agent"
    step: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an agent's own output says about its end; never taken for success."""

    failure: Failure | None = None
    summary: str = ""
    steps: int = 0


class EventParser(Protocol):
    """Turns an agent's output, line by line, into log lines, and remembers how it ended."""

    def line(self, text: str, stream: Literal["stdout", "stderr"]) -> list[Line]: ...

    def verdict(self, exit: Exit) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class Invocation:
    """How to start an agent in a sandbox: files to put first, and the command."""

    files: Mapping[str, bytes]
    command: Command


class Agent(Protocol):
    """A headless coding agent that takes any OpenAI-compatible endpoint."""

    name: str  # with version, as shown to people
    tools: tuple[Tool, ...]

    async def probe(self) -> Failure | None:
        """Why it cannot run here, with what to do."""

    def invocation(self, prompt: str, layout: Layout, *, key: str, model: str, seconds: float) -> Invocation: ...

    def parser(self, layout: Layout) -> EventParser: ...


@dataclass(frozen=True, slots=True)
class Target:
    """The branch that a pull request comes from, in the repository it is pushed to; ``owner`` is whose that is."""

    repo_url: str
    branch: str
    owner: str
    forked: bool = False

    @property
    def head(self) -> str:
        """The branch as a pull request names it: with its owner when that is a fork's."""
        return f"{self.owner}:{self.branch}" if self.forked else self.branch


@dataclass(frozen=True, slots=True)
class PullDraft:
    """A draft pull request to open: branch ``head`` into ``base``."""

    head: str
    base: str
    commit: str
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request that exists."""

    url: str
    number: str
    state: str


@dataclass(frozen=True, slots=True)
class Followed:
    """A pull request of ours to work on again: where its branch is, and what people who may write said of it."""

    pull: Pull
    target: Target
    remarks: tuple[Remark, ...] = ()


class ForgeError(Exception):
    """A forge refused or failed; ``failure`` says why and what to do."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class Tell(Protocol):
    """Takes words for the job's log; with ``until``, that the work is held up so long. Other words end that."""

    async def __call__(self, text: str, until: datetime | None = None) -> None: ...


async def untold(text: str, until: datetime | None = None) -> None:
    """Nobody listens."""


class Forge(Protocol):
    """Where the draft pull request goes. All calls are safe to repeat; a token is never part of a URL.

    ``token`` is the one that was given, if any; a forge with tokens of its own asks ``credential`` for them. ``tell``
    gets words for the job's log, such as how long a forge asks us to wait.
    """

    name: str

    def handles(self, repo_url: str) -> bool: ...

    async def credential(
        self, repo_url: str, given: str | None, purpose: Literal["fetch", "publish"], tell: Tell = untold
    ) -> str | None:
        """The token that git is to use: the given one, else the forge's own with no more rights than that needs."""

    def at_work(self, repo_url: str) -> AbstractAsyncContextManager[None]:
        """Around an attempt: when nobody works on the repository any more, tokens that the forge made for it end."""

    async def target(self, task: RunnerTask, token: str | None, tell: Tell = untold) -> Target:
        """Where the branch is to be pushed; made, if it takes a fork."""

    async def find(self, task: RunnerTask, target: Target, token: str | None, tell: Tell = untold) -> Pull | None:
        """The pull request of this job, whatever its state."""

    async def open(
        self, task: RunnerTask, target: Target, draft: PullDraft, token: str | None, tell: Tell = untold
    ) -> Pull:
        """Look first, then create; a duplicate found on the way is adopted. Raises ForgeError."""

    async def followed(self, task: RunnerTask, token: str | None, tell: Tell = untold) -> Followed:
        """The open pull request that ``task.follow_up`` names. Raises ForgeError when it is not open or not ours."""
