"""A child's end reaches everything that it started."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from runtime.processes import Child, free_port, nats_server_binary
from tests.support.eventually import eventually


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


PARENT = """
import signal, subprocess, sys, time
{before}
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(600)
"""


async def start(tmp_path: Path, before: str = "") -> tuple[Child, int]:
    note = tmp_path / "pid"
    child = await Child.start("parent", [sys.executable, "-c", PARENT.format(before=before), note])
    await eventually(lambda: note.exists() and note.read_text() != "", within=10)
    return child, int(note.read_text())


async def test_a_stop_leaves_no_grandchild_behind(tmp_path: Path) -> None:
    child, grandchild = await start(tmp_path)
    assert await child.stop(grace=5) == -signal.SIGTERM
    await eventually(lambda: not alive(grandchild))


async def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    child, grandchild = await start(tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    assert await child.stop(grace=0.2) == -signal.SIGKILL
    await eventually(lambda: not alive(grandchild))


async def test_stopping_twice_is_no_error(tmp_path: Path) -> None:
    child, _ = await start(tmp_path)
    await asyncio.gather(child.stop(), child.stop())
    assert await child.kill() == child.returncode


async def test_a_child_gets_only_the_environment_it_is_given() -> None:
    script = "import os, sys; sys.exit(0 if set(os.environ) <= {'ONLY', 'LC_CTYPE'} else 1)"
    child = await Child.start("env", [sys.executable, "-c", script], env={"ONLY": "this"})
    assert await child.wait() == 0


def test_the_broker_is_found_and_ports_are_free() -> None:
    assert os.access(nats_server_binary(), os.X_OK)
    assert free_port() > 1024
