"""One ECS task as a sandbox. Ours inside: ``/opt/soulcaster/inbox`` and the spool ``/var/lib/soulcaster``, both
root's, and ``/home/user`` with the workspace in it. Calls go in, and output comes out, through the mailbox.
"""

import asyncio
import base64
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from runner_core.protocols import Command, Exit, Layout, Output, SandboxError, SandboxSpec
from runtime.logs import logger
from schemas.errors import Failure
from services.runner_aws.container_log import ContainerLog
from services.runner_aws.mailbox import Mailbox
from services.runner_aws.model import AGAIN
from services.runner_aws.tasks import Task, Tasks

log = logger("runner.fargate")
HOME: Final = "/home/user"
INBOX: Final = "/opt/soulcaster/inbox"
ENVIRON: Final = {"HOME": HOME, "USER": "user", "TMPDIR": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108 - the sandbox's own
NO_FILE, TOO_BIG = 3, 4


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. ``ttl``: a container ends itself so long after its runner's last sign; ``silent``: a container that
    does not write so long is given up; ``starting``: ECS may take so long to start a task, ``hello``: the running
    container to answer; ``poll``: the longest pause between two looks for output."""

    ttl: float = 90.0
    silent: float = 120.0
    starting: float = 600.0
    hello: float = 120.0
    stopping: float = 90.0
    describe: float = 5.0
    poll: float = 0.5
    logs: float = 5.0
    rounds: int = 3
    pause: float = 15.0


@dataclass(frozen=True, slots=True)
class Inside:
    """A started task with all that belongs to it."""

    task: Task
    mailbox: Mailbox
    log: ContainerLog


class FargateSandbox:
    """See ``runner_core.protocols.Sandbox``. ``held`` is let go of when the sandbox is destroyed."""

    def __init__(
        self, inside: Inside, tasks: Tasks, spec: SandboxSpec, model_url: str, patience: Patience, held: ExitStack
    ) -> None:
        self.id = inside.task.id
        self.layout = Layout(workspace=f"{HOME}/workspace", home=HOME, inbox=INBOX, model_url=model_url)
        self._task, self._mailbox, self._log = inside.task, inside.mailbox, inside.log
        self._tasks, self._spec, self._patience, self._held = tasks, spec, patience, held
        self._until = time.monotonic() + spec.lifetime
        self._heard, self._pulse = time.monotonic(), b""
        self._destroyed = False
        self._destroying = asyncio.Lock()
        self._keeper = asyncio.create_task(self._keep())

    async def put(self, path: str, data: bytes | Path, *, executable: bool = False) -> None:
        _check(path)
        _, code, said = await self._asked({"do": "put", "path": path, "executable": executable}, data)
        if code != 0:
            raise SandboxError(Failure(kind="infrastructure", reason=f"Could not write {path}: {said or code}"))

    async def get(self, path: str, *, limit: int) -> bytes:
        _check(path)
        identity, code, said = await self._asked({"do": "get", "path": path, "limit": limit})
        if code == TOO_BIG:
            action = "Ask for a smaller change."
            raise SandboxError(Failure(kind="gate", reason=f"{path} is larger than {limit} bytes.", action=action))
        data = await self._mailbox.read(f"{identity}/data", limit) if code == 0 else None
        if data is None:
            raise SandboxError(Failure(kind="infrastructure", reason=f"Could not read {path}: {said or code}"))
        return data

    async def run(self, command: Command) -> AsyncGenerator[Output | Exit, None]:
        self._refuse_destroyed()
        spec = {
            "argv": list(command.argv),
            "env": ENVIRON | dict(command.env),
            "cwd": command.cwd or self.layout.workspace,
            "timeout": min(command.timeout, max(self._until - time.monotonic(), 0.0)),
            "memory": self._spec.memory_bytes,
            "processes": self._spec.processes,
            "disk": self._spec.disk_bytes,
            "home": HOME,
        }
        for line in self._log.troubles():  # ahead of the command's own words, which somebody may parse
            yield Output("stderr", f"[container] {line}\n".encode())
        identity = await self._mailbox.ask({"do": "run", "spec": spec}, command.stdin)
        ended = False
        try:
            async with aclosing(self._pieces(identity)) as pieces:
                async for piece in pieces:
                    ended = isinstance(piece, Exit)
                    yield piece
        finally:
            if not ended:
                await asyncio.shield(self._kill(identity))

    async def extend(self, lifetime: float) -> None:
        self._refuse_destroyed()
        self._until = max(self._until, time.monotonic() + lifetime)
        await self._mailbox.beat()

    async def destroy(self) -> None:
        """As promised, but when AWS does not answer: then the container ends itself, ``ttl`` seconds later."""
        async with self._destroying:
            if self._destroyed:
                return
            self._destroyed = True
            self._keeper.cancel()
            try:
                await self._end()
            except SandboxError as error:
                log.warning("sandbox.not_destroyed", sandbox=self.id, reason=str(error))
            finally:
                self._log.close()
                self._tasks.forget(self._task)
                self._held.close()

    async def _end(self) -> None:
        if self._task.stop is None:
            await self._mailbox.ask({"do": "end"})  # faster than ECS
            await self._tasks.stop(self._task, "soulcaster: the sandbox is no longer wanted")
        await self._mailbox.clear()

    async def _asked(self, call: dict[str, Any], data: bytes | Path | None = None) -> tuple[str, int, str]:
        """The call's id, and the code and text of its answer."""
        self._refuse_destroyed()
        identity = await self._mailbox.ask(call, data)
        async with aclosing(self._values(identity)) as values:
            async for value in values:
                match value:
                    case ["done", int(code), str(text)]:
                        return identity, code, text
        raise AssertionError("unreachable")

    async def _pieces(self, identity: str) -> AsyncGenerator[Output | Exit, None]:
        offsets = {"stdout": 0, "stderr": 0}
        try:
            async with aclosing(self._values(identity)) as values:
                async for value in values:
                    match value:
                        case ["stdout" | "stderr" as stream, int(offset), str(text)]:
                            data = base64.b64decode(text)[max(offsets[stream] - offset, 0) :]
                            offsets[stream] += len(data)
                            yield Output(stream, data)
                        case ["done", int(), str(text)]:
                            reason = f"The container could not run a command: {text}"[:500]
                            raise SandboxError(Failure(kind="infrastructure", reason=reason, action=AGAIN))
                        case [
                            "end",
                            {"code": int() | None as code, "why": str(why), "seconds": int() | float() as took},
                        ]:
                            yield _exit(code, why, float(took))
                            return
        except _OutOfMemory:
            yield Exit(code=137, why="memory")
        except _Destroyed:
            yield Exit(code=None, why="gone")

    async def _values(self, identity: str) -> AsyncGenerator[Any, None]:
        """The values of a call's parts, in order. Raises SandboxError when no more can come."""
        number, pause = 0, 0.05
        while True:
            over = self._task.stop is not None  # looked for first: what was written before the end is read before it
            data = await self._mailbox.read(f"{identity}/{number:08d}")
            if data is None:
                await self._missing(over)
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, self._patience.poll)
                continue
            self._mailbox.heard(identity)
            self._heard, number, pause = time.monotonic(), number + 1, 0.05
            for line in data.splitlines():
                yield _decoded(line)

    async def _missing(self, over: bool) -> None:
        """Nothing has come: is there still somebody to wait for?"""
        if self._destroyed:
            raise _Destroyed(Failure(kind="infrastructure", reason="The sandbox was destroyed."))
        if over and (stop := self._task.stop) is not None:
            failure = msgspec.structs.replace(stop.failure, detail=await self._detail(stop.failure.detail))
            raise (_OutOfMemory if stop.why == "memory" else SandboxError)(failure)
        if time.monotonic() - self._heard > self._patience.silent:
            reason = f"The container was not heard of for {self._patience.silent:.0f} s."
            raise SandboxError(
                Failure(kind="infrastructure", reason=reason, action=AGAIN, detail=await self._detail(""))
            )

    async def _detail(self, said: str) -> str:
        words = await self._log.last_words(self._patience.logs)
        return f"{said}\n{words}".strip()[-4000:]

    async def _kill(self, identity: str) -> None:
        if self._destroyed or self._task.stop is not None:
            return
        try:
            await self._asked({"do": "kill", "target": identity})
        except SandboxError as error:
            log.warning("command.not_killed", sandbox=self.id, reason=str(error))

    async def _keep(self) -> None:
        """Beat while the sandbox is wanted, and listen whether the container reaches its mailbox."""
        while True:
            await asyncio.sleep(self._patience.ttl / 4)
            try:
                if time.monotonic() < self._until:
                    await self._mailbox.beat()
                pulse = await self._mailbox.read("pulse")
                if pulse is not None and pulse != self._pulse:
                    self._heard, self._pulse = time.monotonic(), pulse
            except SandboxError as error:
                log.warning("sandbox.no_beat", sandbox=self.id, reason=str(error))

    def _refuse_destroyed(self) -> None:
        if self._destroyed:
            raise _Destroyed(Failure(kind="infrastructure", reason="The sandbox is gone."))


class _Destroyed(SandboxError):
    """We ended it ourselves."""


class _OutOfMemory(SandboxError):
    """The container as a whole ran out of memory."""


def _check(path: str) -> None:
    inside = any(path.startswith(f"{folder}/") for folder in (INBOX, HOME))
    if not inside or ".." in path.split("/"):
        raise SandboxError(Failure(kind="infrastructure", reason=f"{path} is outside the sandbox's folders."))


def _decoded(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:
        return ["noise"]


def _exit(code: int | None, why: str, seconds: float) -> Exit:
    match why:
        case "exited" | "memory":
            return Exit(code, why, seconds)
        case "timeout" | "signal" | "disk" | "processes":
            return Exit(None, why, seconds)
    return Exit(None, "gone", seconds)
