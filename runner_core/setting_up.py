"""The set-up phase: a repository's own commands on its base commit, before any agent's work is put on top of it.

Only here is there a network, and only to the hosts that are allowed; what runs later reaches nothing but the model.
Nothing that an agent wrote is there yet, so no work of an agent ever runs with a way out.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from runner_core import inside
from runner_core.allowed_hosts import Allowed
from runner_core.checking import tail
from runner_core.logs import LogPipe
from runner_core.protocols import Command, Sandbox
from runner_core.setup_proxy import SetupProxy
from runner_core.shell import OFFLINE, how, shell
from runner_core.workbench import finished

SECONDS: Final = 600.0
MOST_PATHS: Final = 500
LIST: Final = (
    "git -c core.hooksPath=/dev/null -c core.fsmonitor= ls-files -z -o --directory --exclude-standard | head -c 60000"
)
RESTORE: Final = "git -c core.hooksPath=/dev/null -c core.fsmonitor= checkout -q -f HEAD -- . 2> /dev/null; "


@dataclass(frozen=True, slots=True)
class SetUp:
    """``commands`` run in order. ``allowed`` names hosts; ``socket`` is where the proxy to them listens, None: no
    network at all."""

    commands: tuple[str, ...] = ()
    allowed: Allowed = field(default_factory=Allowed)
    socket: Path | None = None


@asynccontextmanager
async def network(setup: SetUp, pipe: LogPipe) -> AsyncIterator[None]:
    """The proxy for as long as the block; what was reached and refused is told at its end."""
    if setup.socket is None or not setup.commands:
        yield
        return
    proxy = SetupProxy(setup.allowed)
    async with proxy.listen(setup.socket):
        yield
    if proxy.refused:
        named = ", ".join(sorted(proxy.refused)[:10])
        await pipe.system(f"set-up was kept from reaching: {named} (docs/how-to/repository-settings.md)")


async def set_up(sandbox: Sandbox, setup: SetUp, pipe: LogPipe, seconds: float = SECONDS) -> str:
    """Run the commands; what the first that failed said, empty when all went well. A failure ends nothing."""
    troubled, until = "", time.monotonic() + min(seconds, SECONDS)
    connected = sandbox.layout.setup_url is not None and setup.socket is not None
    env = _proxied(sandbox.layout.setup_url or "") if connected else OFFLINE
    where = "" if connected else ", without a network"
    for command in setup.commands:
        left = max(until - time.monotonic(), 1.0)
        exit, said = await shell(sandbox, command, pipe, left, shown=False, env=env, setup=connected)
        await pipe.system(f"set-up `{command}`: {how(exit)} after {exit.seconds:.1f} s{where}")
        if exit.code != 0 and not troubled:
            troubled = f"`{command}` ended with {how(exit)}{where}: {tail(said, 300)}"
            await pipe.system(tail(said, 1_000))
    return troubled


async def tidy(sandbox: Sandbox, setup: SetUp) -> None:
    """What set-up made is no change of the agent's: tracked files are as before, new ones are left out of the work."""
    if not setup.commands:
        return
    exit, said = await finished(sandbox, Command(argv=["sh", "-c", RESTORE + LIST], timeout=60.0), limit=64 * 1024)
    names = [name for name in said.split("\0") if name] if exit.code == 0 else []
    lines = [pattern(name) for name in names[:MOST_PATHS]]
    text = inside.EXCLUDES.read_text() + "".join(f"{line}\n" for line in lines)
    await sandbox.put(f"{sandbox.layout.inbox}/excludes", text.encode())


def pattern(path: str) -> str:
    """A path as a line of gitignore(5) that matches it alone."""
    escaped = "".join(f"\\{letter}" if letter in "\\*?[ #!" else letter for letter in path)
    return "/" + escaped.replace("\n", "?").replace("\r", "?")


def _proxied(url: str) -> dict[str, str]:
    """Where package managers look for a proxy; an empty ``url`` means that the way is open as it is."""
    names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "npm_config_https_proxy", "npm_config_proxy")
    return dict.fromkeys(names, url) if url else {}
