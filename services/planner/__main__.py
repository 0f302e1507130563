"""``python -m services.planner``"""

import contextlib
import os
from pathlib import Path

from runtime.lifecycle import run
from services.planner.service import serve
from services.planner.settings import Settings


def make_way() -> None:
    """Planning takes seconds; whoever waits for a page goes first.

    Linux weighs sessions before it weighs the processes in them (sched(7), autogroup), so the niceness of a process
    alone does nothing beside a gateway in a session of its own. Only a session that is ours is slowed.
    """
    os.nice(5)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text("5")


if __name__ == "__main__":
    make_way()
    raise SystemExit(run("planner", Settings, serve))
