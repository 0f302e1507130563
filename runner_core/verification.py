"""The plan's test command on the base commit and on the patch, each in a fresh sandbox that reaches nothing."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass

from runner_core.checking import judge, tail
from runner_core.logs import LogPipe
from runner_core.outcomes import AttemptFailed
from runner_core.protocols import Command, Exit, Output, Sandbox
from runner_core.workbench import Variant, prepare
from schemas.errors import Failure
from schemas.jobs import Check, Verification
from schemas.plans import Plan

CHECK_SECONDS = 600.0
TAIL = 4_000
# Package managers say at once that there is no network instead of trying for half a minute.
OFFLINE = {
    "PIP_NO_INDEX": "1",
    "UV_OFFLINE": "1",
    "npm_config_offline": "true",
    "YARN_ENABLE_NETWORK": "false",
    "CARGO_NET_OFFLINE": "true",
    "GOPROXY": "off",
}
MakeSandbox = Callable[[], AbstractAsyncContextManager[Sandbox]]


@dataclass(frozen=True, slots=True)
class Bundles:
    """What the sandboxes are filled with."""

    base: bytes
    work: bytes


async def verify(plan: Plan, bundles: Bundles, make: MakeSandbox, pipe: LogPipe, seconds: float) -> Verification:
    """Run both checks within ``seconds`` together and compare. Raises AttemptFailed when a sandbox fails us."""
    if not plan.test_command:
        return Verification(verdict="not_run", reason="The plan names no test command.")
    each = min(CHECK_SECONDS, seconds / 2)
    on_base, troubled = await _check(plan, bundles, "base", make, pipe, each)
    on_patch, _ = await _check(plan, bundles, "work", make, pipe, each)
    verification = judge(on_base, on_patch, troubled)
    await pipe.system(f"verification: {verification.verdict}. {verification.reason}")
    return verification


async def _check(
    plan: Plan, bundles: Bundles, variant: Variant, make: MakeSandbox, pipe: LogPipe, seconds: float
) -> tuple[Check, str]:
    """The test command's run, and what went wrong with the set-up before it (empty: nothing)."""
    command, on_base = plan.test_command or "", variant == "base"
    until = time.monotonic() + seconds
    await pipe.system(f"on the {'base commit' if on_base else 'patch'}: {command}")
    async with make() as sandbox:
        await prepare(sandbox, bundles.base, variant, None if on_base else bundles.work)
        troubled = await _set_up(plan, sandbox, pipe, seconds / 2)
        exit, said = await _shell(sandbox, command, pipe, max(until - time.monotonic(), seconds / 3))
    if exit.why == "gone":
        raise AttemptFailed(Failure(kind="infrastructure", reason="The sandbox ended under the tests."))
    await pipe.system(f"{'passed' if exit.code == 0 else 'failed'} with {_how(exit)} after {exit.seconds:.1f} s")
    check = Check(
        command=command,
        on="base" if on_base else "patch",
        exit_code=exit.code,
        passed=exit.code == 0,
        seconds=round(exit.seconds, 2),
        output_tail=tail(said, TAIL),
    )
    return check, troubled


async def _set_up(plan: Plan, sandbox: Sandbox, pipe: LogPipe, seconds: float) -> str:
    """What the first failing set-up command said; empty when all went well. A failure ends nothing: the tests tell."""
    troubled = ""
    until = time.monotonic() + seconds
    for setup in plan.setup_commands:
        exit, said = await _shell(sandbox, setup, pipe, max(until - time.monotonic(), 1.0), shown=False)
        await pipe.system(f"set-up `{setup}`: {_how(exit)} after {exit.seconds:.1f} s, without a network")
        if exit.code != 0 and not troubled:
            troubled = f"`{setup}` ended with {_how(exit)} without a network: {tail(said, 300)}"
    return troubled


async def _shell(
    sandbox: Sandbox, command: str, pipe: LogPipe, seconds: float, *, shown: bool = True
) -> tuple[Exit, str]:
    """Run with ``sh -c`` from the repository's root, its output logged when ``shown``."""
    env = {"CI": "1", "PYTHONDONTWRITEBYTECODE": "1", "GIT_CONFIG_NOSYSTEM": "1", **OFFLINE}
    channels = {"stdout": pipe.channel("stdout"), "stderr": pipe.channel("stderr")}
    said = bytearray()
    result = Exit(code=None, why="gone")
    async with aclosing(sandbox.run(Command(argv=["sh", "-c", command], env=env, timeout=seconds))) as stream:
        async for piece in stream:
            if isinstance(piece, Output):
                said += piece.data
                del said[: -4 * TAIL]
                if shown:
                    await channels[piece.stream].feed(piece.data)
            else:
                result = piece
    for channel in channels.values():
        await channel.close()
    return result, pipe.mask(said.decode("utf-8", "replace"))


def _how(exit: Exit) -> str:
    return f"exit code {exit.code}" if exit.why == "exited" else exit.why
