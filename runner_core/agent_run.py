"""The agent at work in its sandbox: its output to the log, its end judged."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass

from runner_core.logs import LogCapReached, LogPipe
from runner_core.model_proxy import ModelProxy
from runner_core.outcomes import agent_failure, log_cap
from runner_core.protocols import Agent, EventParser, Exit, Invocation, Output, Sandbox
from schemas.errors import Failure
from schemas.jobs import Limits


@dataclass(frozen=True, slots=True)
class Ran:
    """``failure`` is None when the agent ended by itself and well; what it changed is another question."""

    failure: Failure | None
    summary: str
    seconds: float


class AgentRun:
    """One run. ``stall``: seconds without output and without a model call after which the agent counts as hung."""

    def __init__(self, agent: Agent, sandbox: Sandbox, pipe: LogPipe, proxy: ModelProxy, stall: float) -> None:
        self._agent, self._sandbox, self._pipe, self._proxy, self._stall = agent, sandbox, pipe, proxy, stall
        self._active = self._started = time.monotonic()
        self._ended: float | None = None
        self._exit = Exit(code=None, why="signal")

    @property
    def seconds(self) -> float:
        return (self._ended or time.monotonic()) - self._started

    async def __call__(self, prompt: str, key: str, model: str, limits: Limits, seconds: float) -> Ran:
        """Ends when the agent does, when its time is up, when it hangs, or when no model call can succeed any more."""
        at = self._sandbox.layout
        invocation = self._agent.invocation(prompt, at, key=key, model=model, seconds=seconds)
        for path, data in invocation.files.items():
            await self._sandbox.put(path, data)
        parser = self._agent.parser(at)
        work = asyncio.create_task(self._follow(invocation, parser))
        watch = asyncio.create_task(self._hung())
        broken = asyncio.create_task(self._proxy.broken.wait())
        try:
            await asyncio.wait({work, watch, broken}, return_when=asyncio.FIRST_COMPLETED)
            stalled = watch.done() and not work.done()
        finally:
            for task in (work, watch, broken):
                task.cancel()
            await asyncio.wait({work, watch, broken})
            self._ended = time.monotonic()
        verdict = parser.verdict(self._exit)
        if not work.cancelled() and (error := work.exception()) is not None:
            if not isinstance(error, LogCapReached):
                raise error
            return Ran(log_cap(limits), verdict.summary, self.seconds)
        failure = agent_failure(self._exit, verdict, limits, self._proxy.failure, stalled)
        return Ran(failure, verdict.summary, self.seconds)

    async def _follow(self, invocation: Invocation, parser: EventParser) -> None:
        channels = {
            "stdout": self._pipe.channel("stdout", parser.line),
            "stderr": self._pipe.channel("stderr", parser.line),
        }
        async with aclosing(self._sandbox.run(invocation.command)) as stream:
            async for piece in stream:
                self._active = time.monotonic()
                if isinstance(piece, Output):
                    await channels[piece.stream].feed(piece.data)
                else:
                    self._exit = piece
        for channel in channels.values():
            await channel.close()

    async def _hung(self) -> None:
        left = self._stall
        while left > 0:
            await asyncio.sleep(left)
            left = max(self._active, self._proxy.last_activity) + self._stall - time.monotonic()
