"""Memory and process limits by control groups, version 1 or 2, where this user may make them."""

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "soulcaster-"


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The folders of one sandbox: one for version 2, one a controller for version 1."""

    folders: tuple[Path, ...]

    @property
    def doors(self) -> list[Path]:
        """A process that writes its pid into each of these is inside."""
        return [folder / "cgroup.procs" for folder in self.folders]

    def pids(self) -> set[int]:
        found: set[int] = set()
        for door in self.doors:
            with contextlib.suppress(OSError):
                found.update(int(line) for line in door.read_text().split())
        return found

    def exceeded(self) -> str | None:
        """``memory`` when the kernel killed for it, ``processes`` when a fork was refused."""
        for folder in self.folders:
            if _counter(folder / "memory.events", "oom_kill") or _counter(folder / "memory.oom_control", "oom_kill"):
                return "memory"
        for folder in self.folders:
            if _counter(folder / "pids.events", "max"):
                return "processes"
        return None

    def sweep(self) -> bool:
        """Kill what is inside and remove the folders; False while something is still dying."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        gone = True
        for folder in self.folders:
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                gone = False
        return gone


async def remove(cgroup: Cgroup) -> None:
    """Sweep until the group is gone, for at most 5 s; what is left then is removed by ``Remains``."""
    for _ in range(250):
        if cgroup.sweep():
            return
        await asyncio.sleep(0.02)


def create(name: str, memory_bytes: int, processes: int, parent: str = "") -> Cgroup | None:
    """A new group, or None where this user or system has none to give (then rlimits apply alone)."""
    if (ROOT / "cgroup.controllers").exists():
        return _create_v2(name, memory_bytes, processes, parent)
    return _create_v1(name, memory_bytes, processes)


def names(prefix: str, parent: str = "") -> list[str]:
    """Names of groups that begin with ``prefix``, whoever made them."""
    homes = (ROOT / "memory", ROOT / "pids", _own_v2(parent))
    found = {path.name.removeprefix(PREFIX) for home in homes for path in home.glob(f"{PREFIX}{prefix}*")}
    return sorted(found)


def existing(name: str, parent: str = "") -> Cgroup:
    """The group of that name as an earlier process may have left it."""
    homes = (ROOT / "memory", ROOT / "pids", _own_v2(parent))
    return Cgroup(tuple(folder for home in homes if (folder := home / (PREFIX + name)).is_dir()))


def remove_empty(cgroup: Cgroup) -> None:
    """Remove its folders, but for those that are in use: the kernel refuses."""
    for folder in cgroup.folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _create_v1(name: str, memory_bytes: int, processes: int) -> Cgroup | None:
    wanted = {
        ROOT / "memory" / (PREFIX + name): {"memory.limit_in_bytes": str(memory_bytes)},
        ROOT / "pids" / (PREFIX + name): {"pids.max": str(processes)},
    }
    return _make(wanted)


def _create_v2(name: str, memory_bytes: int, processes: int, parent: str) -> Cgroup | None:
    home = _own_v2(parent)
    with contextlib.suppress(OSError):
        (home / "cgroup.subtree_control").write_text("+memory +pids")
    values = {"memory.max": str(memory_bytes), "memory.swap.max": "0", "pids.max": str(processes)}
    return _make({home / (PREFIX + name): values})


def _make(wanted: dict[Path, dict[str, str]]) -> Cgroup | None:
    made: list[Path] = []
    try:
        for folder, values in wanted.items():
            folder.mkdir()
            made.append(folder)
            for file, value in values.items():
                if (folder / file).exists() or file != "memory.swap.max":
                    (folder / file).write_text(value)
    except OSError:
        Cgroup(tuple(made)).sweep()
        return None
    return Cgroup(tuple(made))


def _own_v2(parent: str) -> Path:
    if parent:
        return Path(parent)
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::/"):
                return ROOT / line[4:]
    return ROOT


def _counter(file: Path, name: str) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in file.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return 0
