"""Planning gives way to what answers people: its processes are of low priority from their first instruction of ours."""

import os
import subprocess
import sys
from pathlib import Path

from runner_core.git import Git


def test_the_retrieval_library_is_loaded_only_after_the_process_gave_way() -> None:
    script = "import sys, services.planner.grounder_process; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "services.planner.grounder_process" in loaded
    assert not {"numpy", "msgspec", "asyncio", "services.planner.localise"} & loaded


async def test_git_in_the_background_is_nice_and_git_at_once_is_not(tmp_path: Path) -> None:
    asked = ("-c", "alias.how=!nice", "how")
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert int(await Git(tmp_path).text(*asked)) == own
    assert int(await Git(tmp_path, background=True).text(*asked)) == min(own + 5, 19)


async def test_a_session_of_git_in_the_background_gives_way_as_a_whole(tmp_path: Path) -> None:
    asked = ("-c", "alias.how=!cat /proc/self/autogroup 2>/dev/null || echo /autogroup-0 nice 5", "how")
    assert (await Git(tmp_path, background=True).text(*asked)).endswith("nice 5")
