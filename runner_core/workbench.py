"""The scripts of ``inside/`` run in a sandbox: the source put in, the work taken out."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from runner_core import inside
from runner_core.outcomes import AttemptFailed
from runner_core.protocols import Command, Exit, Output, Sandbox
from runner_core.source import Base
from schemas.errors import Failure, FailureClass

PREPARE_SECONDS = 240.0
COLLECT_SECONDS = 120.0
SAID = 4_000  # bytes of a script's output that are kept

Variant = Literal["base", "work", "tests"]


@dataclass(frozen=True, slots=True)
class Work:
    """``bundle`` is None when the tree equals the base; ``incomplete`` when some files could not be read."""

    bundle: bytes | None
    incomplete: bool = False


async def prepare(sandbox: Sandbox, base: Base) -> None:
    """Write the base commit's files. Raises AttemptFailed or SandboxError."""
    inbox = sandbox.layout.inbox
    packs = f"{inbox}/base/objects/pack"
    await asyncio.gather(
        *(sandbox.put(f"{packs}/{file.name}", file) for file in (base.pack, base.pack.with_suffix(".idx"))),
        sandbox.put(f"{inbox}/base/snapshot", base.snapshot.encode()),
        sandbox.put(f"{inbox}/excludes", inside.EXCLUDES.read_bytes()),
        sandbox.put(f"{inbox}/prepare.sh", inside.PREPARE.read_bytes()),
        sandbox.put(f"{inbox}/collect.sh", inside.COLLECT.read_bytes()),
    )
    await _prepared(sandbox, "base", "The repository could not be unpacked in the sandbox")


async def apply(sandbox: Sandbox, variant: Variant, work: bytes, paths: Sequence[str] = ()) -> None:
    """Put ``work`` (a bundle) on top of the base commit, all of it or only ``paths``. As ``prepare``."""
    inbox = sandbox.layout.inbox
    await asyncio.gather(
        sandbox.put(f"{inbox}/work.bundle", work), sandbox.put(f"{inbox}/paths", "\0".join(paths).encode())
    )
    await _prepared(sandbox, variant, "The work so far could not be put on the base commit in the sandbox")


async def _prepared(sandbox: Sandbox, variant: Variant, trouble: str) -> None:
    at = sandbox.layout
    env = {
        "BASE": f"{at.inbox}/base",
        "WORK": f"{at.inbox}/work.bundle",
        "PATHS": f"{at.inbox}/paths",
        "EXCLUDES": f"{at.inbox}/excludes",
        "WORKSPACE": at.workspace,
        "VARIANT": variant,
    }
    argv = ["sh", f"{at.inbox}/prepare.sh"]
    exit, said = await finished(sandbox, Command(argv=argv, env=env, cwd=at.home, timeout=PREPARE_SECONDS))
    if exit.code != 0:
        raise AttemptFailed(_failure(trouble, exit, said))


async def collect(sandbox: Sandbox, limit: int, seconds: float = COLLECT_SECONDS) -> Work:
    """The working tree against the base as a bundle. Raises AttemptFailed or SandboxError (class gate above limit)."""
    at = sandbox.layout
    out = f"{at.home}/.soulcaster/work.bundle"
    env = {
        "BASE": f"{at.inbox}/base",
        "EXCLUDES": f"{at.inbox}/excludes",
        "WORKSPACE": at.workspace,
        "OUT": out,
    }
    argv = ["sh", f"{at.inbox}/collect.sh"]
    exit, said = await finished(sandbox, Command(argv=argv, env=env, cwd=at.home, timeout=seconds))
    if exit.code != 0:
        raise AttemptFailed(_failure("The changes could not be taken out of the sandbox", exit, said))
    last = said.split()
    incomplete = "incomplete" in last
    if last[-1:] == ["unchanged"]:
        return Work(None, incomplete)
    return Work(await sandbox.get(out, limit=limit), incomplete)


async def finished(sandbox: Sandbox, command: Command, limit: int = SAID) -> tuple[Exit, str]:
    """Run to the end; the exit and the last ``limit`` bytes of what was printed."""
    said = bytearray()
    exit = Exit(code=None, why="gone")
    async with aclosing(sandbox.run(command)) as stream:
        async for piece in stream:
            if isinstance(piece, Output):
                said += piece.data
                del said[:-limit]
            else:
                exit = piece
    return exit, said.decode("utf-8", "replace")


def _failure(what: str, exit: Exit, said: str) -> Failure:
    kind: FailureClass = "agent" if exit.why in ("memory", "disk", "processes") else "infrastructure"
    how = f"exit code {exit.code}" if exit.why == "exited" else exit.why
    return Failure(
        kind=kind,
        reason=f"{what} ({how}).",
        action="It is tried again; if that does not help, see the detail.",
        detail=said[-2000:],
    )
