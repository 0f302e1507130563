"""A machine of the double: one bubblewrap that lives as long as the sandbox, with processes started in it.

``/home/user``, ``/var`` and ``/tmp`` are written by everyone inside, ``/opt`` only by files that the API writes as
root. It has one uid: what real sandboxes forbid to ``user`` outside ``/opt`` is not shown here. No network, but for the
hosts in ``doors``: (host inside, port inside, port outside).
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner_core import inside
from services.runner_sandbox import toolchains
from services.runner_sandbox.bubblewrap import find_binary

INNER = Path(__file__).with_name("inner.py")
USER = "/home/user"
Heard = Callable[[str, bytes], None]  # stream, data


@dataclass
class Process:
    """A process inside. ``heard`` are told what it prints while they listen; nothing is kept for later."""

    pid: int
    cmd: str
    args: list[str]
    stdin: int
    heard: set[Heard] = field(default_factory=set)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    code: int = 0

    def close_stdin(self) -> None:
        """Once: the number may belong to another file afterwards."""
        descriptor, self.stdin = self.stdin, -1
        if descriptor >= 0:
            os.close(descriptor)


class Machine:
    """``folder`` is removed with it."""

    def __init__(self, folder: Path, door: int | None) -> None:
        self._folder, self._door = folder, door
        self._outer: asyncio.subprocess.Process | None = None
        self._relay: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closers: list[Callable[[], None]] = []
        self.processes: dict[int, Process] = {}
        self.dead = asyncio.Event()

    async def boot(self) -> None:
        for name in ("home", "var", "tmp", "opt", "run"):
            (self._folder / name).mkdir(parents=True)
        (self._folder / "passwd").write_text(f"user:x:1000:1000:user:{USER}:/bin/bash\n")
        python = str(toolchains.detect().python)
        argv = [python, "-I", "-S", "/run/inner.py", "/run/vm/vm.sock"]
        if self._door is not None:
            self._relay = await asyncio.start_unix_server(self._pass_on, self._folder / "run" / "door.sock")
            argv = [python, "-I", "-S", "/run/relay.py", "/run/vm/door.sock", str(self._door), *argv]
        self._outer = await asyncio.create_subprocess_exec(
            *self._bubblewrap(), "--", *argv, env={"PATH": os.defpath},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert self._outer.stdout is not None
        said = await self._outer.stdout.readline()
        assert said == b"up\n", "the machine does not boot: is bubblewrap allowed here?"
        self._keep(self._watch())

    async def run(self, cmd: str, args: list[str], env: dict[str, str], cwd: str, heard: Heard) -> Process:
        """Start, even when who asked goes away meanwhile."""
        starting = asyncio.create_task(self._start(cmd, args, env, cwd, heard))
        self._tasks.add(starting)
        starting.add_done_callback(self._tasks.discard)
        return await asyncio.shield(starting)

    async def _start(self, cmd: str, args: list[str], env: dict[str, str], cwd: str, heard: Heard) -> Process:
        stdin, theirs_in = os.pipe()
        out, theirs_out = os.pipe()
        err, theirs_err = os.pipe()
        environ = {"HOME": USER, "USER": "user", "PATH": toolchains.detect().path, "LANG": "C.UTF-8"} | env
        request = {"argv": [cmd, *args], "env": environ, "cwd": cwd or USER}
        connection = self._ask(request, (stdin, theirs_out, theirs_err))
        for descriptor in (stdin, theirs_out, theirs_err):
            os.close(descriptor)
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        line = await reader.readline()
        if not line:
            writer.close()
            for descriptor in (theirs_in, out, err):
                os.close(descriptor)
            raise ConnectionResetError("the machine is dead")
        pid = json.loads(line)["pid"]
        process = Process(pid=pid, cmd=cmd, args=args, stdin=theirs_in, heard={heard})
        self.processes[pid] = process
        pipes = [self._listen(process, name, fd) for name, fd in (("stdout", out), ("stderr", err))]
        self._keep(self._wait(process, reader, writer, pipes))
        return process

    async def output(self, *argv: str, given: bytes = b"") -> tuple[int, bytes]:
        """Run to the end: exit code and stdout."""
        out = bytearray()

        def heard(stream: str, data: bytes) -> None:
            out.extend(data if stream == "stdout" else b"")

        process = await self.run(argv[0], list(argv[1:]), {}, USER, heard)
        await asyncio.to_thread(_feed, process, given)
        await process.ended.wait()
        return process.code, bytes(out)

    async def kill(self, pid: int, number: int) -> bool:
        connection = self._ask({"kill": pid, "signal": number}, ())
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        code = json.loads(await reader.readline())["code"]
        writer.close()
        return bool(code == 0)

    def write_as_root(self, path: str, data: bytes) -> None:
        """Below ``/opt``, where nobody inside can write."""
        file = self._folder / "opt" / path.removeprefix("/opt/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        file.chmod(0o644)

    async def destroy(self) -> None:
        """End every process and remove the folder."""
        if self._outer is not None and self._outer.returncode is None:
            os.killpg(self._outer.pid, signal.SIGKILL)
        await self.dead.wait()
        if self._relay is not None:
            self._relay.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for close in self._closers:
            close()
        await asyncio.sleep(0)  # transports that were closed say so in the next turn of the loop
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _ask(self, request: dict[str, Any], descriptors: tuple[int, ...]) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        folder = os.open(self._folder / "run", os.O_RDONLY)  # a socket's path may have only 107 bytes
        try:
            connection.connect(f"/proc/self/fd/{folder}/vm.sock")
        finally:
            os.close(folder)
        socket.send_fds(connection, [json.dumps(request).encode()], list(descriptors))
        connection.setblocking(False)
        return connection

    def _listen(self, process: Process, stream: str, descriptor: int) -> asyncio.Event:
        """Tell what comes until the pipe's end, which sets the event."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        os.set_blocking(descriptor, False)

        def readable() -> None:
            data = os.read(descriptor, 32 * 1024)
            if not data:
                close()
            for heard in list(process.heard):
                heard(stream, data)

        def close() -> None:
            if not over.is_set():
                over.set()
                loop.remove_reader(descriptor)
                os.close(descriptor)

        self._closers.append(close)
        loop.add_reader(descriptor, readable)
        return over

    async def _wait(
        self,
        process: Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pipes: list[asyncio.Event],
    ) -> None:
        try:
            line = await reader.readline()
            process.code = json.loads(line)["code"] if line else -9
            # A daemon may hold the pipes open; envd ends the stream with the process all the same.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await asyncio.gather(*[pipe.wait() for pipe in pipes])
        finally:
            writer.close()
            process.close_stdin()
            self.processes.pop(process.pid, None)
            process.ended.set()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        writers = [writer]
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self._door)
            writers.append(forth)
            await asyncio.gather(_copy(reader, forth), _copy(back, writer))
        except (OSError, asyncio.CancelledError):
            return
        finally:
            for each in writers:
                each.close()

    async def _watch(self) -> None:
        assert self._outer is not None
        await self._outer.wait()
        self.dead.set()

    def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _bubblewrap(self) -> list[str]:
        binary = find_binary()
        assert binary is not None, "the double needs bubblewrap"
        line = [str(binary), "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000"]
        line += ["--die-with-parent", "--cap-drop", "ALL", "--hostname", "e2b", "--clearenv"]
        for folder in [*toolchains.system_folders(), *toolchains.etc_binds()]:
            line += ["--ro-bind", folder, folder]
        for target, link in toolchains.system_links():
            line += ["--symlink", target, link]
        for root in toolchains.detect().roots:
            line += ["--ro-bind", str(root), str(root)]
        line += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run"]
        for name, place in (("home", USER), ("var", "/var"), ("tmp", "/tmp"), ("run", "/run/vm")):
            line += ["--bind", str(self._folder / name), place]
        line += ["--ro-bind", str(self._folder / "opt"), "/opt", "--ro-bind", str(INNER), "/run/inner.py"]
        line += ["--ro-bind", str(inside.RELAY), "/run/relay.py"]
        return [*line, "--ro-bind", str(self._folder / "passwd"), "/etc/passwd", "--chdir", USER]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def _feed(process: Process, data: bytes) -> None:
    """Into a copy of the descriptor, which nobody else closes."""
    if process.stdin < 0:
        return  # it has ended
    descriptor = os.dup(process.stdin)
    process.close_stdin()
    with contextlib.suppress(BrokenPipeError):
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
    os.close(descriptor)
