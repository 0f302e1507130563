"""The scripts of ``inside/`` run in a sandbox: the source put in, the work taken out."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from runner_core import inside
from runner_core.outcomes import AttemptFailed
from runner_core.protocols import Command, Exit, Output, Sandbox
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


async def prepare(
    sandbox: Sandbox,
    base: bytes,
    variant: Variant = "base",
    work: bytes | None = None,
    paths: Sequence[str] = (),
) -> None:
    """Unpack the base commit, on top of it ``work``, or only ``paths`` of it. Raises AttemptFailed or SandboxError."""
    at = sandbox.layout
    await sandbox.put(f"{at.inbox}/base.bundle", base)
    await sandbox.put(f"{at.inbox}/excludes", inside.EXCLUDES.read_bytes())
    await sandbox.put(f"{at.inbox}/prepare.sh", inside.PREPARE.read_bytes(), executable=True)
    await sandbox.put(f"{at.inbox}/collect.sh", inside.COLLECT.read_bytes(), executable=True)
    if work is not None:
        await sandbox.put(f"{at.inbox}/work.bundle", work)
        await sandbox.put(f"{at.inbox}/paths", "\0".join(paths).encode())
    env = {
        "BASE": f"{at.inbox}/base.bundle",
        "WORK": f"{at.inbox}/work.bundle",
        "EXCLUDES": f"{at.inbox}/excludes",
        "WORKSPACE": at.workspace,
        "VARIANT": variant,
        "PATHS": f"{at.inbox}/paths",
    }
    argv = ["sh", f"{at.inbox}/prepare.sh"]
    exit, said = await finished(sandbox, Command(argv=argv, env=env, cwd=at.home, timeout=PREPARE_SECONDS))
    if exit.code != 0:
        raise AttemptFailed(_failure("The repository could not be unpacked in the sandbox", exit, said))


async def collect(sandbox: Sandbox, limit: int, seconds: float = COLLECT_SECONDS) -> Work:
    """The working tree against the base as a bundle. Raises AttemptFailed or SandboxError (class gate above limit)."""
    at = sandbox.layout
    out = f"{at.home}/.soulcaster/work.bundle"
    env = {
        "BASE": f"{at.inbox}/base.bundle",
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


async def finished(sandbox: Sandbox, command: Command) -> tuple[Exit, str]:
    """Run to the end; the exit and the last of what was printed."""
    said = bytearray()
    exit = Exit(code=None, why="gone")
    async with aclosing(sandbox.run(command)) as stream:
        async for piece in stream:
            if isinstance(piece, Output):
                said += piece.data
                del said[:-SAID]
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
