"""Runs one isolated command: limits, streaming, watching, and the end of its whole process tree."""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

import msgspec

from runner_core.protocols import Command, Exit, Output
from services.runner_sandbox import cgroups, files

CHUNK = 64 * 1024
QUEUED = 8  # chunks between a pipe and its reader; then the command waits
FILE_BLOCKS = 4 * 1024 * 1024  # of 512 bytes: no single file above 2 GiB
WATCH_SECONDS = 1.0
FINISH_SECONDS = 10.0
# dash names the process limit -p, bash -u; the memory limit holds for each process and only where no cgroup does.
LAUNCHER = """
ulimit -c 0; ulimit -n 4096; ulimit -f "$1"
[ -z "$2" ] || { ulimit -v "$2"; ulimit -u "$3" 2>/dev/null || ulimit -p "$3" 2>/dev/null; }
shift 3
while [ "$1" != -- ]; do echo $$ > "$1" || exit 97; shift; done
shift
exec "$@"
"""

Why = Literal["exited", "timeout", "signal", "memory", "disk", "processes", "gone"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of memory, number of processes, bytes on disk in the watched folders."""

    memory_bytes: int
    processes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class Launch:
    """``line`` gives the command line of the isolation for a status descriptor (bubblewrap writes child-pid there)."""

    name: str
    command: Command
    line: Callable[[int], list[str]]
    limits: Limits
    watched: tuple[Path, ...]
    cgroup_parent: str = ""
    live: set["Running"] = field(default_factory=set)


class Running:
    """A started command and what it takes to end it for certain."""

    def __init__(self, process: asyncio.subprocess.Process, cgroup: cgroups.Cgroup | None, status: int) -> None:
        self.process, self.cgroup = process, cgroup
        self._status = status
        self._inner: int | None = None
        self.why: Why = "exited"
        self.over = asyncio.Event()  # nothing of it runs any more

    def kill(self, why: Why) -> None:
        """SIGKILL to the outer process: the kernel ends every process of its namespace with it."""
        if self.process.returncode is None and self.why == "exited":
            self.why = why
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def inner_pid(self) -> int | None:
        """The pid, seen from here, of the first process inside."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            for line in os.read(self._status, 4096).splitlines():
                self._inner = msgspec.json.decode(line, type=dict[str, int]).get("child-pid", self._inner)
        return self._inner

    async def gone(self) -> None:
        """Wait until the namespace is empty; its end follows the outer process by a moment."""
        inner = self.inner_pid()
        for _ in range(500):
            if inner is None or not _alive(inner):
                break
            await asyncio.sleep(0.01)
        os.close(self._status)
        if self.cgroup is not None:
            await cgroups.remove(self.cgroup)


async def run(launch: Launch) -> AsyncGenerator[Output | Exit, None]:
    """Output in order of arrival, then Exit. Closing the generator ends the process tree before it returns."""
    clock = asyncio.get_running_loop().time
    start = clock()
    with tempfile.TemporaryFile() as stdin:
        stdin.write(launch.command.stdin)
        stdin.seek(0)
        running = await _start(launch, stdin)
    launch.live.add(running)
    queue: asyncio.Queue[Output | None] = asyncio.Queue(QUEUED)
    tasks = [
        asyncio.create_task(_pump(running.process.stdout, "stdout", queue)),
        asyncio.create_task(_pump(running.process.stderr, "stderr", queue)),
        asyncio.create_task(_watch(running, launch)),
    ]
    timer = asyncio.get_running_loop().call_later(launch.command.timeout, running.kill, "timeout")
    try:
        open_pipes = 2
        while open_pipes:
            piece = await queue.get()
            if piece is None:
                open_pipes -= 1
            else:
                yield piece
        code = await running.process.wait()
        why = _why(running, code)
        yield Exit(code=None if why not in ("exited", "memory") else code, why=why, seconds=clock() - start)
    finally:
        timer.cancel()
        running.kill("signal")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.shield(_finish(running, launch))


async def _finish(running: Running, launch: Launch) -> None:
    """asyncio tells of a process's end only when its pipes are closed, and they stay open while unread: read on.

    Without a namespace a process that left the group may hold a pipe for ever; then the wait has an end.
    """
    if running.cgroup is not None:
        running.cgroup.sweep()
    ending = asyncio.gather(running.process.wait(), _drain(running.process.stdout), _drain(running.process.stderr))
    await asyncio.wait({ending}, timeout=FINISH_SECONDS)
    ending.cancel()
    await running.gone()
    launch.live.discard(running)
    running.over.set()


async def _drain(pipe: asyncio.StreamReader | None) -> None:
    while pipe is not None and await pipe.read(CHUNK):
        continue


async def _start(launch: Launch, stdin: IO[bytes]) -> Running:
    cgroup = cgroups.create(launch.name, launch.limits.memory_bytes, launch.limits.processes, launch.cgroup_parent)
    status, status_inside = os.pipe()
    os.set_blocking(status, False)
    doors = [str(door) for door in cgroup.doors] if cgroup else []
    memory = "" if cgroup else str(launch.limits.memory_bytes // 1024)
    try:
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", LAUNCHER, "sandbox", str(FILE_BLOCKS), memory, str(launch.limits.processes + 8)),
            *(*doors, "--", *launch.line(status_inside)),
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # None of ours: the first process inside is this one, and its /proc/1/environ is what it was started with.
            env={"PATH": os.environ.get("PATH", os.defpath)},
            pass_fds=(status_inside,),
            start_new_session=True,
            limit=CHUNK,
        )
    except BaseException:
        os.close(status)
        if cgroup is not None:
            await cgroups.remove(cgroup)
        raise
    finally:
        os.close(status_inside)
    return Running(process, cgroup, status)


async def _pump(
    pipe: asyncio.StreamReader | None, stream: Literal["stdout", "stderr"], queue: asyncio.Queue[Output | None]
) -> None:
    assert pipe is not None
    while data := await pipe.read(CHUNK):
        await queue.put(Output(stream, data))
    await queue.put(None)


async def _watch(running: Running, launch: Launch) -> None:
    """Disk use, and the number of processes where no cgroup bounds it."""
    clock = asyncio.get_running_loop().time
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        before = clock()
        if running.cgroup is not None and not _alive(running.process.pid):
            running.cgroup.sweep()  # without a namespace a child that stayed would hold the pipes for ever
        if await asyncio.to_thread(files.disk_usage, *launch.watched) > launch.limits.disk_bytes:
            return running.kill("disk")
        inner = running.inner_pid() if running.cgroup is None else None
        if inner is not None and await asyncio.to_thread(_population, inner) > launch.limits.processes:
            return running.kill("processes")
        await asyncio.sleep(min(20 * (clock() - before), 30.0))  # a big tree is measured less often


def _alive(pid: int) -> bool:
    """Not for a zombie: the first process of a pid namespace becomes one only when all others of it are gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    return False


def _population(inner: int) -> int:
    """How many processes share the pid namespace of ``inner``."""
    count = 0
    with contextlib.suppress(OSError):
        namespace = os.readlink(f"/proc/{inner}/ns/pid")
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and os.readlink(entry / "ns/pid") == namespace:
                    count += 1
    return count


def _why(running: Running, code: int) -> Why:
    """A command that the kernel's limits ended looks like any other by its code; the cgroup's counters tell."""
    if running.why != "exited":
        return running.why
    exceeded = running.cgroup.exceeded() if running.cgroup else None
    if code in (137, -9) and exceeded == "memory":
        return "memory"
    return "signal" if code < 0 else "exited"
