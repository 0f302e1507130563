"""What a killed runner leaves without a tag: folders half made or half removed, and control groups that are empty.

Whoever lives gives its folder a name, and its control group a process, at once. What is found without either for a
minute is nobody's, whichever runner of this machine made it.
"""

import contextlib
import time
from pathlib import Path

from runner_core.holding import is_held
from services.runner_sandbox import cgroups, files

SECONDS = 60.0


class Remains:
    """Below one folder of sandboxes, and among the control groups of this machine whose names begin with ``groups``."""

    def __init__(self, folder: Path, cgroup_parent: str, seconds: float = SECONDS, groups: str = "") -> None:
        self._folder, self._parent, self._seconds, self._groups = folder, cgroup_parent, seconds, groups
        self._since: dict[str, float] = {}  # control groups carry no time that can be trusted

    async def clear(self) -> None:
        """Remove what was found before and is still so."""
        for path in self._untagged():
            with contextlib.suppress(OSError):
                await files.remove_tree(path)
        now = time.monotonic()
        named = cgroups.names(self._groups, self._parent)
        empty = [name for name in named if not cgroups.existing(name, self._parent).pids()]
        self._since = {name: self._since.get(name, now) for name in empty}
        for name, since in self._since.items():
            if now - since >= self._seconds:
                cgroups.remove_empty(cgroups.existing(name, self._parent))

    def _untagged(self) -> list[Path]:
        found: list[Path] = []
        for path in self._folder.glob("*"):
            with contextlib.suppress(OSError):
                old = time.time() - path.stat().st_ctime >= self._seconds
                if old and path.is_dir() and not (path / "tag.json").exists() and not is_held(path / "lock"):
                    found.append(path)
        return found
