"""No isolation at all, for machines that have none, after an explicit SANDBOX_LOCAL_UNSAFE=1.

A command runs as this user, in its own process group, with its own home and rlimits. It can read what this user can
read and reach the network; only what stays in its process group or cgroup is ended for certain.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from runner_core import inside
from runner_core.holding import Hold
from runner_core.protocols import Command, Exit, Found, Layout, Output, Sandbox, SandboxError, SandboxSpec
from runtime.ids import new_id
from runtime.logs import logger
from runtime.processes import free_port
from schemas.errors import Failure
from services.runner_sandbox import files
from services.runner_sandbox.local import Place, erase, find, make_folders
from services.runner_sandbox.process import Launch, Limits, Running, run
from services.runner_sandbox.remains import Remains
from services.runner_sandbox.toolchains import SYSTEM_PATH, Toolchains

log = logger("runner.unsafe")
CHANGE = 'cd "$1" && shift && exec "$@"'


class UnsafeSandbox:
    """See ``runner_core.protocols.Sandbox``; its paths are the host's own."""

    def __init__(self, sandbox_id: str, place: Place, spec: SandboxSpec, toolchains: Toolchains, hold: Hold) -> None:
        self.id, self.layout = sandbox_id, place.layout
        self._place, self._spec, self._toolchains, self._hold = place, spec, toolchains, hold
        self._until = asyncio.get_running_loop().time() + spec.lifetime
        self._live: set[Running] = set()

    async def put(self, path: str, data: bytes | Path, *, executable: bool = False) -> None:
        root, relative = self._place.resolve(path)
        try:
            await asyncio.to_thread(files.write, root, relative, data, executable)
        except files.NotAFile as error:
            raise SandboxError(Failure(kind="infrastructure", reason=f"Could not write {path}: {error}")) from error

    async def get(self, path: str, *, limit: int) -> bytes:
        root, relative = self._place.resolve(path)
        try:
            return await asyncio.to_thread(files.read, root, relative, limit)
        except files.NotAFile as error:
            raise SandboxError(Failure(kind="infrastructure", reason=f"Could not read {path}: {error}")) from error
        except files.TooBig as error:
            raise SandboxError(Failure(kind="gate", reason=f"{path} is larger than {limit} bytes.")) from error

    async def run(self, command: Command) -> AsyncGenerator[Output | Exit, None]:
        if not self._place.folder.is_dir():
            raise SandboxError(Failure(kind="infrastructure", reason="The sandbox is gone."))
        remaining = self._until - asyncio.get_running_loop().time()
        launch = Launch(
            name=f"{self.id}-{new_id()}",
            command=replace(command, timeout=min(command.timeout, max(remaining, 0.0))),
            line=lambda _: self._line(command),
            limits=Limits(self._spec.memory_bytes, self._spec.processes, self._spec.disk_bytes),
            watched=(self._place.folder / "workspace", self._place.folder / "home"),
            live=self._live,
        )
        stream = run(launch)
        try:
            async for piece in stream:
                yield piece
        finally:
            await stream.aclose()

    async def extend(self, lifetime: float) -> None:
        self._until = max(self._until, asyncio.get_running_loop().time() + lifetime)

    async def destroy(self) -> None:
        for running in list(self._live):
            running.kill("gone")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(running.over.wait(), 5.0)
        await erase(self._place.folder, "")
        self._hold.release()

    def _line(self, command: Command) -> list[str]:
        layout = self.layout
        path = ":".join([*(str(root / "bin") for root in self._toolchains.roots), *SYSTEM_PATH])
        env = {
            "HOME": layout.home,
            "PATH": path,
            "TMPDIR": str(self._place.folder / "home" / "tmp"),
            "LANG": "C.UTF-8",
            "USER": "agent",
        }
        argv = [self._host_path(command.argv[0]), *command.argv[1:]]
        if self._spec.model_socket is not None:
            port = layout.model_url.rpartition(":")[2].partition("/")[0]
            argv = [sys.executable, "-I", "-S", str(inside.RELAY), str(self._spec.model_socket), port, *argv]
        words = [f"{name}={value}" for name, value in (env | dict(command.env)).items()]
        return ["sh", "-c", CHANGE, "sandbox", command.cwd or layout.workspace, "env", "-i", *words, *argv]

    def _host_path(self, program: str) -> str:
        """Where a program of a tool is here, as nothing is mounted."""
        for tool in self._spec.tools:
            with contextlib.suppress(ValueError):
                return str(tool.source / PurePosixPath(program).relative_to(tool.destination))
        return program


class UnsafeProvider:
    """See ``runner_core.protocols.SandboxProvider``."""

    kind = "local-unsafe"
    capabilities: tuple[str, ...] = ("not-isolated",)

    def __init__(self, folder: Path, toolchains: Toolchains) -> None:
        self._folder, self._toolchains = folder, toolchains
        self._mine: set[str] = set()
        self._remains = Remains(folder, "")
        log.warning("sandbox.unsafe", reason="SANDBOX_LOCAL_UNSAFE=1: agents run without isolation")

    async def probe(self) -> Failure | None:
        return None

    async def create(self, spec: SandboxSpec) -> Sandbox:
        sandbox_id = new_id()
        folder = self._folder / sandbox_id
        hold = make_folders(folder, spec.tag)
        await asyncio.to_thread((folder / "home" / "tmp").mkdir)
        self._mine.add(sandbox_id)
        layout = Layout(
            workspace=str(folder / "workspace"),
            home=str(folder / "home"),
            inbox=str(folder / "inbox"),
            model_url=f"http://127.0.0.1:{free_port()}/v1" if spec.model_socket else "",
        )
        return UnsafeSandbox(sandbox_id, Place(folder, layout), spec, self._toolchains, hold)

    async def find_by_tag(self, runner: str) -> list[Found]:
        await self._remains.clear()
        return find(self._folder, runner, self._mine)

    async def destroy(self, sandbox_id: str) -> None:
        if PurePosixPath(sandbox_id).name == sandbox_id:
            await erase(self._folder / sandbox_id, "")
