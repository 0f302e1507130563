"""From a repository and reports to an evidence plan: the retrieval library, run in a process of its own.

A process for each plan, because indexing is pure computation: the event loop stays free, a time-out ends it for
certain, its memory goes back to the system, and its low priority leaves the processor to the services that answer
people. Its input and output are one MessagePack document each, on stdin and stdout.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final, Protocol

import msgspec

import services
from runtime.processes import terminate_with_parent

_ROOT: Final = Path(services.__file__).resolve().parents[1]
_MODULE: Final = "services.planner.grounder_process"
_REPLY_LIMIT: Final = 64 * 1024 * 1024


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A report as the library reads it, cleaned of invisible text."""

    id: str
    source: str
    title: str
    body: str
    trust: str


class At(msgspec.Struct, frozen=True, kw_only=True):
    """A stack frame that a source delivered as data."""

    path: str
    line: int = 0
    function: str = ""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What the process gets. ``since``: unix seconds at which the problem was first seen."""

    repository: str
    commit: str
    cache: str
    reports: list[Said]
    frames: list[At] = []
    since: int | None = None
    limit: int = 20


class Excerpt(msgspec.Struct, frozen=True, kw_only=True):
    """Source lines of a candidate file, 1-based and inclusive."""

    path: str
    start: int
    end: int
    text: str


class Grounded(msgspec.Struct, frozen=True, kw_only=True):
    """What the process gives: the plan as JSON of ``schemas.plans.Plan``, excerpts for a model, timings in ms."""

    plan: bytes
    excerpts: list[Excerpt]
    timings_ms: dict[str, float]


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """The library's own refusal, in words."""

    reason: str
    action: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one of the two."""

    grounded: Grounded | None = None
    refused: Refused | None = None


class GroundingFailed(Exception):
    """No evidence plan: ``reason`` and ``action`` are for people."""

    def __init__(self, reason: str, action: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.action, self.detail = reason, action, detail


class Grounder(Protocol):
    """Whoever makes evidence plans."""

    async def ground(self, task: Task) -> Grounded:
        """Raises GroundingFailed."""


class ProcessGrounder:
    """Runs the library in a subprocess, at most ``slots`` at once."""

    def __init__(self, *, slots: int = 1, seconds: float = 180.0) -> None:
        self._slots, self._seconds = asyncio.Semaphore(slots), seconds

    async def ground(self, task: Task) -> Grounded:
        async with self._slots:
            return await self._run(task)

    async def _run(self, task: Task) -> Grounded:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", _MODULE, cwd=_ROOT, env=_environment(), limit=_REPLY_LIMIT,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # so that it can give way as a whole
            preexec_fn=terminate_with_parent if sys.platform == "linux" else None,
        )  # fmt: skip
        try:
            async with asyncio.timeout(self._seconds):
                out, err = await process.communicate(msgspec.msgpack.encode(task))
        except TimeoutError:
            raise GroundingFailed(
                f"Reading the repository took longer than {self._seconds:.0f} s.",
                "Raise GROUND_SECONDS of the planner, or plan for a smaller repository.",
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return _read(out, err, process.returncode)


def _read(out: bytes, err: bytes, code: int | None) -> Grounded:
    try:
        reply = msgspec.msgpack.decode(out, type=Reply)
    except msgspec.DecodeError:
        reply = Reply()
    if reply.refused is not None:
        raise GroundingFailed(reply.refused.reason, reply.refused.action)
    if reply.grounded is None:
        ended = f"with signal {-code}" if code is not None and code < 0 else f"with code {code}"
        raise GroundingFailed(
            f"Reading the repository ended {ended}.",
            "Try again; if it happens again, the planner's log holds the details (memory is a likely cause).",
            err.decode("utf-8", "replace")[-2000:],
        )
    return reply.grounded


def _environment() -> dict[str, str]:
    """No secret of the service, and one thread for each numeric library: the slots are the only parallelism."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
