"""One sandbox at e2b. Ours inside: ``/opt/soulcaster/inbox`` (root's), the spool ``/var/lib/soulcaster``, and
``/home/user`` with the workspace in it. Commands run as ``user`` under the supervisor, without a way to root.
"""

import asyncio
import json
import shlex
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from e2b import AsyncSandbox, CommandExitException
from e2b.sandbox.filesystem.filesystem import WriteEntry

from runner_core.protocols import Command, Exit, Layout, Output, SandboxError, SandboxSpec
from runtime.ids import new_id
from runtime.logs import logger
from schemas.errors import Failure
from services.runner_sandbox.e2b_errors import ERRORS, GONE, sandbox_error, worth_repeating
from services.runner_sandbox.e2b_network import from_now_on, hosts_line
from services.runner_sandbox.e2b_tail import SUPERVISOR, Tail, call

T = TypeVar("T")
log = logger("runner.e2b")
HOME: Final = "/home/user"
INBOX: Final = "/opt/soulcaster/inbox"
SPOOL: Final = "/var/lib/soulcaster"
SOURCE: Final = Path(__file__).with_name("e2b_supervisor.py")
ENVIRON: Final = {"HOME": HOME, "USER": "user", "TMPDIR": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108 - the sandbox's own
COMPRESSED: Final = 64 * 1024  # uploads from this size on are compressed
NO_FILE, TOO_BIG = 3, 4


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. ``ttl``: what a sandbox outlives its runner by at most; ``stall`` and ``cut`` as in ``Tail``."""

    ttl: float = 120.0
    stall: float = 12.0
    cut: float = 90.0
    request: float = 30.0
    tries: int = 5
    pause: float = 0.3


class E2bSandbox:
    """See ``runner_core.protocols.Sandbox``. ``held`` is let go of when the sandbox is destroyed."""

    def __init__(
        self, sdk: AsyncSandbox, spec: SandboxSpec, model_url: str, patience: Patience, held: ExitStack
    ) -> None:
        self.id = sdk.sandbox_id
        setup = "" if spec.setup_hosts else None
        self.layout = Layout(f"{HOME}/workspace", HOME, INBOX, model_url, setup)
        self._sdk, self._spec, self._patience, self._held = sdk, spec, patience, held
        self._until = time.monotonic() + spec.lifetime
        self._keeper = asyncio.create_task(self._keep())
        self.cuts = 0  # streams that were taken up again

    async def prepare(self) -> None:
        """The supervisor and the workspace, once after creation."""
        await self.put(SUPERVISOR, await asyncio.to_thread(SOURCE.read_bytes))
        code, said = await self._quick(f"mkdir -p {self.layout.workspace} && python3 -V && git --version", "user")
        if code != 0:
            reason = "The e2b template has no python3 or no git."
            action = "Build the template of deploy/e2b/ and set E2B_TEMPLATE to its name."
            raise SandboxError(Failure(kind="configuration", reason=reason, action=action, detail=said))
        if line := await hosts_line(self.layout.model_url):
            await self._quick(f"echo {shlex.quote(line)} >> /etc/hosts", "root")

    async def put(self, path: str, data: bytes | Path, *, executable: bool = False) -> None:
        self._check(path)
        owner = "root" if path.startswith(f"{INBOX}/") else "user"

        async def write() -> None:
            if isinstance(data, bytes):
                return await self._write([WriteEntry(path=path, data=data)], owner, len(data))
            with await asyncio.to_thread(data.open, "rb") as file:
                await self._write([WriteEntry(path=path, data=file)], owner, 0)  # packs: they do not shrink

        await self._insist(f"writing {path}", write)
        if executable:
            await self._quick(f"chmod 755 {shlex.quote(path)}", owner)

    async def get(self, path: str, *, limit: int) -> bytes:
        self._check(path)
        target = f"{SPOOL}/copies/{new_id()}"
        code, said = await self._quick(call("copy", shlex.quote(path), str(limit), target), "root")
        if code == TOO_BIG:
            action = "Ask for a smaller change."
            raise SandboxError(Failure(kind="gate", reason=f"{path} is larger than {limit} bytes.", action=action))
        if code != 0:
            raise SandboxError(Failure(kind="infrastructure", reason=f"Could not read {path}: {said or code}"))
        data = await self._insist(f"reading {path}", lambda: self._sdk.files.read(target, format="bytes", user="root"))
        return bytes(data)

    async def run(self, command: Command) -> AsyncGenerator[Output | Exit, None]:
        stream = self._run_connected(command) if command.setup else self._run(command)
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                yield piece

    async def _run_connected(self, command: Command) -> AsyncGenerator[Output | Exit, None]:
        """With the way to ``setup_hosts`` open; a way that does not close again ends the sandbox."""
        await self._insist("opening the network", lambda: self._reach(self._spec.setup_hosts))
        try:
            async with aclosing(self._run(command)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            await asyncio.shield(self._close_network())

    async def _reach(self, setup_hosts: Sequence[str]) -> None:
        await self._sdk.update_network(from_now_on(self.layout.model_url, setup_hosts))

    async def _close_network(self) -> None:
        try:
            await self._insist("closing the network", lambda: self._reach(()))
        except SandboxError:
            await self.destroy()
            raise

    async def _run(self, command: Command) -> AsyncGenerator[Output | Exit, None]:
        identity = new_id()
        await self._stage(identity, command)
        tail = Tail(self._sdk, identity, self._patience.stall, self._patience.cut)
        ended = False
        try:
            async with aclosing(tail.pieces()) as pieces:
                async for piece in pieces:
                    ended = isinstance(piece, Exit)
                    yield piece
        finally:
            self.cuts += tail.cuts
            if not ended:
                await asyncio.shield(self._kill(identity))

    async def extend(self, lifetime: float) -> None:
        self._until = max(self._until, time.monotonic() + lifetime)
        await self._insist("extending the sandbox", self._stay)

    async def destroy(self) -> None:
        """As promised, but when e2b does not answer: then the sandbox ends by its time-out, ``ttl`` seconds later."""
        self._keeper.cancel()
        try:
            await self._insist("destroying the sandbox", lambda: self._sdk.kill())
        except SandboxError as error:
            log.warning("sandbox.not_destroyed", sandbox=self.id, reason=str(error))
        finally:
            self._held.close()

    async def _stage(self, identity: str, command: Command) -> None:
        """Put what the supervisor needs; it starts the command when it is first followed."""
        spec = {
            "id": identity,
            "argv": list(command.argv),
            "env": ENVIRON | dict(command.env),
            "cwd": command.cwd or self.layout.workspace,
            "timeout": min(command.timeout, max(self._until - time.monotonic(), 0.0)),
            "memory": self._spec.memory_bytes,
            "processes": self._spec.processes,
            "disk": self._spec.disk_bytes,
            "home": HOME,
        }
        entries = [
            WriteEntry(path=f"{INBOX}/{identity}.json", data=json.dumps(spec).encode()),
            WriteEntry(path=f"{INBOX}/{identity}.stdin", data=command.stdin),
        ]
        await self._insist("starting a command", lambda: self._write(entries, "root", len(command.stdin)))

    async def _write(self, entries: list[WriteEntry], owner: str, size: int) -> None:
        await self._sdk.files.write_files(
            entries,
            user=owner,
            gzip=size >= COMPRESSED,
            use_octet_stream=True,
            request_timeout=self._patience.request * 4,
        )

    async def _kill(self, identity: str) -> None:
        try:
            await self._quick(call("kill", identity), "root")
        except SandboxError as error:
            log.warning("command.not_killed", sandbox=self.id, reason=str(error))

    async def _quick(self, line: str, user: str) -> tuple[int, str]:
        """Exit code and output of a short shell line that may be run again."""

        async def once() -> tuple[int, str]:
            try:
                done = await self._sdk.commands.run(line, user=user, cwd="/", timeout=self._patience.request)
            except CommandExitException as error:
                return error.exit_code, (error.stdout + error.stderr)[-1000:]
            return 0, done.stdout[-1000:]

        return await self._insist("running a command", once)

    async def _insist(self, doing: str, act: Callable[[], Awaitable[T]]) -> T:
        """Again after errors that pass by. Raises SandboxError."""
        pause = self._patience.pause
        for left in reversed(range(self._patience.tries)):
            try:
                return await act()
            except ERRORS as error:
                if not left or not worth_repeating(error):
                    raise sandbox_error(error, doing) from error
            await asyncio.sleep(pause)
            pause *= 2
        raise AssertionError("unreachable")

    async def _keep(self) -> None:
        """Put the end off while the sandbox is wanted, by little more than a runner's death may cost."""
        while time.monotonic() < self._until:
            await asyncio.sleep(self._patience.ttl / 4)
            try:
                await self._stay()
            except GONE:
                return
            except ERRORS as error:
                log.warning("sandbox.not_extended", sandbox=self.id, reason=str(error))

    async def _stay(self) -> None:
        left = min(self._patience.ttl, max(self._until - time.monotonic(), 0.0))
        await self._sdk.set_timeout(max(round(left), 1))

    def _check(self, path: str) -> None:
        inside = any(path.startswith(f"{folder}/") for folder in (INBOX, HOME))
        if not inside or ".." in path.split("/"):
            raise SandboxError(Failure(kind="infrastructure", reason=f"{path} is outside the sandbox's folders."))
