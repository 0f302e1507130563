"""The local sandbox: each command in its own bubblewrap over folders of this machine that live as long as the sandbox.

A sandbox is a folder ``<data>/runs/<id>``: ``tag.json``, ``inbox`` (ours, read-only inside), ``workspace``, ``home``.
Nothing of it runs between commands. The folder outlives a killed runner, its processes do not (``--die-with-parent``).
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import msgspec

from runner_core import inside
from runner_core.holding import Hold, is_held
from runner_core.protocols import Command, Exit, Found, Layout, Output, Sandbox, SandboxError, SandboxSpec, Tag
from runtime.ids import new_id
from schemas.errors import Failure
from services.runner_sandbox import cgroups, files
from services.runner_sandbox.bubblewrap import Bubblewrap, View, arguments, probe
from services.runner_sandbox.process import Launch, Limits, Running, run
from services.runner_sandbox.remains import Remains
from services.runner_sandbox.toolchains import Toolchains

RELAY = "/run/soulcaster/relay.py"
MODEL_SOCKET = "/run/soulcaster/model.sock"
MODEL_PORT = 8088
SETUP_SOCKET = "/run/soulcaster/setup.sock"
SETUP_PORT = 8089
FRESH = ".new-"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the sandbox's folders are on the host, and inside."""

    folder: Path
    layout: Layout

    def resolve(self, path: str) -> tuple[Path, str]:
        """(host folder, relative path) of an absolute path inside. SandboxError when it is none of ours."""
        pairs = ((self.layout.inbox, "inbox"), (self.layout.workspace, "workspace"), (self.layout.home, "home"))
        for prefix, name in pairs:
            with contextlib.suppress(ValueError):
                return self.folder / name, str(PurePosixPath(path).relative_to(prefix))
        raise SandboxError(Failure(kind="infrastructure", reason=f"{path} is outside the sandbox's folders."))


class LocalSandbox:
    """See ``runner_core.protocols.Sandbox``."""

    def __init__(
        self,
        sandbox_id: str,
        place: Place,
        spec: SandboxSpec,
        bubblewrap: Bubblewrap,
        toolchains: Toolchains,
        cgroup: str,
        gone: Callable[[], None],
    ) -> None:
        self.id = sandbox_id
        self.layout = place.layout
        self._place, self._spec, self._bubblewrap, self._toolchains = place, spec, bubblewrap, toolchains
        self._cgroup_parent, self._gone = cgroup, gone
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
            raise SandboxError(
                Failure(kind="gate", reason=f"{path} is larger than {limit} bytes.", action="Ask for a smaller change.")
            ) from error

    async def run(self, command: Command) -> AsyncGenerator[Output | Exit, None]:
        if not self._place.folder.is_dir():
            raise SandboxError(Failure(kind="infrastructure", reason="The sandbox is gone."))
        remaining = self._until - asyncio.get_running_loop().time()
        launch = Launch(
            name=f"{self.id}-{new_id()}",
            command=replace(command, timeout=min(command.timeout, max(remaining, 0.0))),
            line=lambda status_fd: self._line(command, status_fd),
            limits=Limits(self._spec.memory_bytes, self._spec.processes, self._spec.disk_bytes),
            watched=(self._place.folder / "workspace", self._place.folder / "home"),
            cgroup_parent=self._cgroup_parent,
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
            with contextlib.suppress(TimeoutError):  # whoever reads the run's output may have stopped to
                await asyncio.wait_for(running.over.wait(), 5.0)
        await erase(self._place.folder, self._cgroup_parent)
        self._gone()

    def _line(self, command: Command, status_fd: int) -> list[str]:
        folder, layout = self._place.folder, self.layout
        shows = [(folder / "inbox", layout.inbox), *((tool.source, tool.destination) for tool in self._spec.tools)]
        argv = list(command.argv)
        if command.setup and self._spec.setup_socket is not None:
            shows += [(inside.RELAY, RELAY), (self._spec.setup_socket, SETUP_SOCKET)]
            argv = [str(self._toolchains.python), "-I", "-S", RELAY, SETUP_SOCKET, str(SETUP_PORT), *argv]
        elif self._spec.model_socket is not None:
            shows += [(inside.RELAY, RELAY), (self._spec.model_socket, MODEL_SOCKET)]
            argv = [str(self._toolchains.python), "-I", "-S", RELAY, MODEL_SOCKET, str(MODEL_PORT), *argv]
        view = View(
            binds=((folder / "workspace", layout.workspace), (folder / "home", layout.home)),
            shows=(*shows, (folder / "passwd", "/etc/passwd"), (folder / "hosts", "/etc/hosts")),
            toolchains=self._toolchains,
        )
        env = {
            "HOME": layout.home,
            "PATH": self._toolchains.path,
            "TMPDIR": "/tmp",  # noqa: S108 - private to the sandbox
            "LANG": "C.UTF-8",
            "USER": "agent",
        }
        return arguments(
            self._bubblewrap, view, env | dict(command.env), command.cwd or layout.workspace, argv, status_fd
        )


class LocalProvider:
    """Makes local sandboxes under ``folder``. See ``runner_core.protocols.SandboxProvider``."""

    kind = "local"
    capabilities: tuple[str, ...] = ("isolated", "no-network", "model-proxy-socket", "setup-network")

    def __init__(self, folder: Path, toolchains: Toolchains, cgroup_parent: str = "") -> None:
        self._folder, self._toolchains, self._cgroup_parent = folder, toolchains, cgroup_parent
        self._bubblewrap: Bubblewrap | None = None
        self._holds: dict[str, Hold] = {}
        self._remains = Remains(folder, cgroup_parent)

    async def probe(self) -> Failure | None:
        if self._bubblewrap is not None:
            return None  # seen to isolate; starting it once more before each attempt would tell nothing new
        found = await probe(self._toolchains)
        if isinstance(found, Failure):
            return found
        self._bubblewrap = found
        return None

    async def create(self, spec: SandboxSpec) -> Sandbox:
        if self._bubblewrap is None and (problem := await self.probe()) is not None:
            raise SandboxError(problem)
        assert self._bubblewrap is not None
        sandbox_id = new_id()
        layout = Layout(
            workspace="/workspace",
            home="/home/agent",
            inbox="/run/soulcaster/inbox",
            model_url=f"http://127.0.0.1:{MODEL_PORT}/v1" if spec.model_socket else "",
            setup_url=f"http://127.0.0.1:{SETUP_PORT}" if spec.setup_socket else None,
        )
        place = Place(self._folder / sandbox_id, layout)
        self._holds[sandbox_id] = make_folders(place.folder, spec.tag)
        return LocalSandbox(
            sandbox_id,
            place,
            spec,
            self._bubblewrap,
            self._toolchains,
            self._cgroup_parent,
            lambda: self._forget(sandbox_id),
        )

    async def find_by_tag(self, runner: str) -> list[Found]:
        await self._remains.clear()
        return find(self._folder, runner, self._holds.keys())

    async def destroy(self, sandbox_id: str) -> None:
        if PurePosixPath(sandbox_id).name == sandbox_id:
            await erase(self._folder / sandbox_id, self._cgroup_parent)
            self._forget(sandbox_id)

    def _forget(self, sandbox_id: str) -> None:
        if (hold := self._holds.pop(sandbox_id, None)) is not None:
            hold.release()


def make_folders(folder: Path, tag: Tag) -> Hold:
    """A sandbox's folders, held while we live. They have their name only when tag and lock are in them, so that
    whatever is seen of them can be told dead from alive."""
    fresh = folder.with_name(FRESH + folder.name)
    fresh.mkdir(parents=True, mode=0o700)
    hold = Hold.make(fresh / "lock")
    (fresh / "tag.json").write_bytes(msgspec.json.encode(tag))
    for name in ("inbox", "workspace", "home"):
        (fresh / name).mkdir()
    (fresh / "passwd").write_text("agent:x:1000:1000:agent:/home/agent:/bin/sh\n")
    (fresh / "hosts").write_text("127.0.0.1 localhost sandbox\n")
    fresh.rename(folder)
    return hold


def find(folder: Path, runner: str, own: Collection[str]) -> list[Found]:
    """Sandboxes below ``folder`` with a tag of this runner: our own, and those whose process is dead."""
    found: list[Found] = []
    for path in sorted(folder.glob("*/tag.json")):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            tag = msgspec.json.decode(path.read_bytes(), type=Tag)
            if tag.runner == runner and (path.parent.name in own or not is_held(path.parent / "lock")):
                found.append(Found(id=path.parent.name, tag=tag))
    return found


async def erase(folder: Path, cgroup_parent: str) -> None:
    """End what still runs for the sandbox in ``folder``, then remove the folder."""
    for name in cgroups.names(folder.name, cgroup_parent):
        await cgroups.remove(cgroups.existing(name, cgroup_parent))
    await files.remove_tree(folder)
