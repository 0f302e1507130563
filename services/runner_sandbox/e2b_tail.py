"""Follows a spooled command in an e2b sandbox by byte offset: a cut or silent stream is taken up again, nothing is
lost and nothing comes twice. The stream only carries what the spool holds; envd itself forgets what nobody hears.
"""

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncGenerator
from typing import Any, Final

import msgspec
from e2b import AsyncSandbox, CommandExitException

from runner_core.protocols import Exit, Output, SandboxError
from schemas.errors import Failure
from services.runner_sandbox.e2b_errors import AGAIN, ERRORS, GONE, sandbox_error, worth_repeating

SUPERVISOR: Final = "/opt/soulcaster/inbox/supervisor.py"
QUEUED: Final = 64  # lines of up to 64 kB between the stream and its reader; then the stream waits


def call(*arguments: str) -> str:
    """A shell line for the supervisor; ``arguments`` are ours or quoted."""
    return " ".join(["exec python3 -I -S", SUPERVISOR, *arguments])


class Tail:
    """``stall``: seconds of silence (the supervisor says something every 2 s) after which a stream counts as dead;
    ``patience``: seconds without any stream after which the sandbox is given up."""

    def __init__(self, sdk: AsyncSandbox, identity: str, stall: float, patience: float) -> None:
        self._sdk, self._identity, self._stall, self._patience = sdk, identity, stall, patience
        self._offsets = {"stdout": 0, "stderr": 0}
        self._heard = time.monotonic()
        self.cuts = 0

    async def pieces(self) -> AsyncGenerator[Output | Exit, None]:
        """What the command prints, then its end. Raises SandboxError when e2b stays away for too long."""
        pause = 0.1
        while True:
            try:
                async with contextlib.aclosing(self._stream()) as values:
                    async for value in values:
                        pause = 0.1
                        if (piece := self._piece(value)) is not None:
                            yield piece
                        if isinstance(piece, Exit):
                            return
            except GONE:
                yield Exit(code=None, why="gone")
                return
            except (*ERRORS, CommandExitException) as error:
                if not isinstance(error, CommandExitException) and not worth_repeating(error):
                    raise sandbox_error(error, "following a command") from error
                if time.monotonic() - self._heard > self._patience:
                    raise sandbox_error(error, "following a command") from error
            self.cuts += 1
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    def _piece(self, value: Any) -> Output | Exit | None:
        self._heard = time.monotonic()
        match value:
            case ["stdout" | "stderr" as stream, int(offset), str(text)]:
                data = base64.b64decode(text)[max(self._offsets[stream] - offset, 0) :]
                if not data or offset > self._offsets[stream]:
                    return None
                self._offsets[stream] += len(data)
                return Output(stream, data)
            case ["end", {"code": int() | None as code, "why": str(why), "seconds": int() | float() as seconds}]:
                return _exit(code, why, float(seconds))
        return None

    async def _stream(self) -> AsyncGenerator[Any, None]:
        """The values of one connection; ends or raises when it breaks. The first one also starts the command."""
        lines: asyncio.Queue[Any] = asyncio.Queue(QUEUED)
        rest = ""

        async def heard(text: str) -> None:
            nonlocal rest
            *whole, rest = (rest + text).split("\n")
            for line in whole:
                await lines.put(_decoded(line))

        line = f"{call('start', self._identity).removeprefix('exec ')} && {self._follow()}"
        handle = await self._sdk.commands.run(
            line, background=True, user="root", cwd="/", timeout=0, on_stdout=heard, retain_output=False
        )
        over = asyncio.create_task(handle.wait())
        try:
            while True:
                value = await self._next(lines, over)
                if value is None:
                    return
                yield value
        finally:
            over.cancel()
            await asyncio.gather(over, return_exceptions=True)
            await handle.disconnect()

    async def _next(self, lines: "asyncio.Queue[Any]", over: "asyncio.Task[Any]") -> Any:
        """None when the stream is silent for too long, or over without an error."""
        if lines.empty():
            more = asyncio.create_task(lines.get())
            try:
                await asyncio.wait({more, over}, timeout=self._stall, return_when=asyncio.FIRST_COMPLETED)
                if more.done():
                    return more.result()
            finally:
                more.cancel()
                await asyncio.wait({more})
            if over.done() and lines.empty():
                if (error := over.exception()) is not None and type(error) is not Exception:
                    raise error
                return None  # the SDK raises a bare Exception for a stream that ends without an end
            if lines.empty():
                return None
        return lines.get_nowait()

    def _follow(self) -> str:
        return call("follow", self._identity, str(self._offsets["stdout"]), str(self._offsets["stderr"]))


def gone() -> SandboxError:
    return SandboxError(Failure(kind="infrastructure", reason="The e2b sandbox is gone.", action=AGAIN))


def _decoded(line: str) -> Any:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:
        return ["noise"]


def _exit(code: int | None, why: str, seconds: float) -> Exit:
    match why:
        case "exited" | "memory":
            return Exit(code, why, seconds)
        case "timeout" | "signal" | "disk" | "processes":
            return Exit(None, why, seconds)
    return Exit(None, "gone", seconds)
