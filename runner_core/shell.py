"""A shell line of the repository's in a sandbox: its output to the log, its end and its last words back."""

from collections.abc import Mapping
from contextlib import aclosing

from runner_core.failing import FailingTests
from runner_core.logs import LogPipe
from runner_core.protocols import Command, Exit, Output, Sandbox

KEPT = 16_000  # bytes of the output's end
ENVIRON = {"CI": "1", "PYTHONDONTWRITEBYTECODE": "1", "GIT_CONFIG_NOSYSTEM": "1"}
# Package managers say at once that there is no network instead of trying for half a minute.
OFFLINE = {
    "PIP_NO_INDEX": "1",
    "UV_OFFLINE": "1",
    "npm_config_offline": "true",
    "YARN_ENABLE_NETWORK": "false",
    "CARGO_NET_OFFLINE": "true",
    "GOPROXY": "off",
}


async def shell(
    sandbox: Sandbox,
    line: str,
    pipe: LogPipe,
    seconds: float,
    *,
    shown: bool = True,
    env: Mapping[str, str] = OFFLINE,
    setup: bool = False,
    failing: FailingTests | None = None,
) -> tuple[Exit, str]:
    """Run with ``sh -c`` from the repository's root, its output logged when ``shown``."""
    channels = {"stdout": pipe.channel("stdout"), "stderr": pipe.channel("stderr")}
    said = bytearray()
    result = Exit(code=None, why="gone")
    command = Command(argv=["sh", "-c", line], env=ENVIRON | dict(env), timeout=seconds, setup=setup)
    async with aclosing(sandbox.run(command)) as stream:
        async for piece in stream:
            if isinstance(piece, Output):
                said += piece.data
                del said[:-KEPT]
                if failing is not None:
                    failing.feed(piece.data)
                if shown:
                    await channels[piece.stream].feed(piece.data)
            else:
                result = piece
    for channel in channels.values():
        await channel.close()
    return result, pipe.mask(said.decode("utf-8", "replace"))


def how(exit: Exit) -> str:
    """An end in words."""
    return f"exit code {exit.code}" if exit.why == "exited" else exit.why
