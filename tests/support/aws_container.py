"""A container of the AWS double: the real entry point as a process in bubblewrap, with a folder of its own.

It reaches the double's port, the model door's, and nothing else. It has one uid: what the image's root keeps from its
``user`` is not shown here.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from runner_core import inside
from services.runner_sandbox import toolchains
from services.runner_sandbox.bubblewrap import find_binary

ROOT = Path(__file__).parents[2]
ENTRYPOINT = ROOT / "deploy" / "aws" / "entrypoint.py"
SUPERVISOR = ROOT / "services" / "runner_sandbox" / "e2b_supervisor.py"
FOLDERS = {"home": "/home/user", "var": "/var", "tmp": "/tmp", "opt": "/opt"}


class Container:
    """``said`` is told each line of the container's log; it runs from the start on until ``code`` is there."""

    def __init__(
        self, folder: Path, ports: Sequence[int], environ: dict[str, str], said: Callable[[str], None]
    ) -> None:
        self._folder = folder
        for name in (*FOLDERS, "run"):
            (folder / name).mkdir(parents=True)
        (folder / "opt" / "soulcaster").mkdir()
        shutil.copy(ENTRYPOINT, folder / "opt" / "soulcaster" / "entrypoint.py")
        shutil.copy(SUPERVISOR, folder / "opt" / "soulcaster" / "supervisor.py")
        (folder / "passwd").write_text("user:x:1000:1000:user:/home/user:/bin/bash\n")
        python = str(toolchains.detect().python)
        argv = [python, "-I", "-S", "/opt/soulcaster/entrypoint.py"]
        self._doors = [Door(folder / "run" / f"{port}.sock", port) for port in ports]
        for port in ports:
            argv = [python, "-I", "-S", "/run/relay.py", f"/run/doors/{port}.sock", str(port), *argv]
        self._process = subprocess.Popen(
            [*self._bubblewrap(environ), "--", *argv], env={"PATH": os.defpath},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=(said,), daemon=True)
        self._reader.start()

    @property
    def code(self) -> int | None:
        return self._process.poll()

    def kill(self) -> None:
        """End every process of it, wait, remove its folder."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        for door in self._doors:
            door.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, said: Callable[[str], None]) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                said(line.decode("utf-8", "replace").rstrip("\n"))

    def _bubblewrap(self, environ: dict[str, str]) -> list[str]:
        binary = find_binary()
        assert binary is not None, "the double needs bubblewrap"
        line = [str(binary), "--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000"]
        line += ["--die-with-parent", "--cap-drop", "ALL", "--hostname", "fargate", "--clearenv"]
        for folder in [*toolchains.system_folders(), *toolchains.etc_binds()]:
            line += ["--ro-bind", folder, folder]
        for target, link in toolchains.system_links():
            line += ["--symlink", target, link]
        for root in toolchains.detect().roots:
            line += ["--ro-bind", str(root), str(root)]
        line += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run"]
        for name, place in FOLDERS.items():
            line += ["--bind", str(self._folder / name), place]
        line += ["--ro-bind", str(self._folder / "run"), "/run/doors", "--ro-bind", str(inside.RELAY), "/run/relay.py"]
        for name, value in ({"PATH": toolchains.detect().path} | environ).items():
            line += ["--setenv", name, value]
        return [*line, "--ro-bind", str(self._folder / "passwd"), "/etc/passwd", "--chdir", "/"]


class Door:
    """A unix socket that leads to a port of 127.0.0.1."""

    def __init__(self, path: Path, port: int) -> None:
        self._port = port
        self._listener = socket.socket(socket.AF_UNIX)
        folder = os.open(path.parent, os.O_RDONLY)  # a socket's path may have only 107 bytes
        try:
            self._listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
        self._listener.listen(64)
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.socket() as server:
            try:
                server.connect(("127.0.0.1", self._port))
            except OSError:
                return
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            _copy(client, server)
            back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
