"""A command at a terminal: python's own pty, with a width, keys typed when a text appears, and all that was shown."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r")


@dataclass(frozen=True, slots=True)
class Shown:
    """Exit code, the raw bytes as text, and the text as a person reads it."""

    code: int
    raw: str

    @property
    def text(self) -> str:
        return _CONTROL.sub("", self.raw)


def _at_its_own() -> None:
    """Ctrl-C typed here becomes SIGINT there, also where the tests run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def at_terminal(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    columns: int = 100,
    typed: Sequence[tuple[str, bytes]] = (),
    within: float = 90.0,
) -> Shown:
    """Run at a terminal. ``typed``: (text to wait for, keys then typed), in order. Raises AssertionError after
    ``within`` seconds."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [str(part) for part in argv],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={"TERM": "xterm-256color", **env},
        cwd=cwd,
        start_new_session=True,
        preexec_fn=_at_its_own,
    )
    os.close(slave)
    shown, waiting, searched = b"", list(typed), 0
    deadline = time.monotonic() + within
    try:
        while (data := _read(master, deadline)) is not None:
            shown += data
            while waiting and waiting[0][0].encode() in shown[searched:]:
                expected, keys = waiting.pop(0)
                searched = shown.index(expected.encode(), searched) + len(expected)
                os.write(master, keys)
        code = process.wait(max(1.0, deadline - time.monotonic()))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(master)
    assert not waiting, f"never saw {waiting[0][0]!r} in {shown!r}"
    return Shown(code, shown.decode(errors="replace"))


def _read(master: int, deadline: float) -> bytes | None:
    """What the terminal shows next; None when the command has closed it."""
    ready, _, _ = select.select([master], [], [], max(0.0, deadline - time.monotonic()))
    assert ready, "the command shows nothing and does not end"
    try:
        return os.read(master, 65536) or None
    except OSError:  # EIO: no process has the terminal open any more
        return None
