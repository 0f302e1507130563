"""The sandbox providers under the conformance suite, each with what it needs around it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from runner_core.model_door import ModelDoor
from runner_core.protocols import Command, Exit, Output, Sandbox, SandboxProvider, SandboxSpec, Tag
from services.runner_sandbox import toolchains
from services.runner_sandbox.e2b_provider import Account, E2bProvider
from services.runner_sandbox.e2b_sandbox import Patience
from services.runner_sandbox.local import LocalProvider
from tests.support.e2b_double import E2bDouble, e2b_double
from tests.support.fargate import fargate

QUICK = Patience(ttl=6.0, stall=4.0, cut=10.0, request=10.0, tries=4, pause=0.05)
RUNNER = "sandbox_kilo"


@dataclass(frozen=True)
class Ran:
    """A command's whole output and its end."""

    stdout: bytes
    stderr: bytes
    exit: Exit


def account(
    double: E2bDouble, *, key: str | None = None, creates_per_second: float = 50.0, concurrency: int = 20
) -> Account:
    """An account at the double."""
    return Account(
        key=double.key if key is None else key,
        api_url=double.url,
        sandbox_url=double.url,
        concurrency=concurrency,
        creates_per_second=creates_per_second,
    )


@asynccontextmanager
async def local(folder: Path) -> AsyncIterator[SandboxProvider]:
    yield LocalProvider(folder / "runs", toolchains.detect())


@asynccontextmanager
async def doubled_e2b(folder: Path) -> AsyncIterator[SandboxProvider]:
    door = ModelDoor("http://127.0.0.1")
    await door.start()
    door.public_url = f"http://127.0.0.1:{door.port}"
    try:
        async with e2b_double(folder, doors={"127.0.0.1": door.port}) as double:
            yield E2bProvider(account(double), door, QUICK)
    finally:
        await door.close()


@asynccontextmanager
async def doubled_fargate(folder: Path) -> AsyncIterator[SandboxProvider]:
    async with fargate(folder) as at:
        yield at.provider


PROVIDERS: dict[str, Callable[[Path], AbstractAsyncContextManager[SandboxProvider]]] = {
    "local": local,
    "e2b": doubled_e2b,
    "fargate": doubled_fargate,
}


def spec(job: str = "JOB1", runner: str = RUNNER, lifetime: float = 60.0, **changes: object) -> SandboxSpec:
    """A sandbox to ask for; keyword arguments replace fields."""
    fields: dict[str, object] = {
        "tag": Tag(runner, job, 1),
        "lifetime": lifetime,
        "memory_bytes": 1024**3,
        "processes": 64,
    }
    return SandboxSpec(**(fields | changes))  # type: ignore[arg-type]


async def ran(sandbox: Sandbox, *argv: str, timeout: float = 30.0, **changes: object) -> Ran:
    """Run to the end."""
    out = {"stdout": bytearray(), "stderr": bytearray()}
    exit: Exit | None = None
    command = Command(argv=list(argv), timeout=timeout, **changes)  # type: ignore[arg-type]
    async with aclosing(sandbox.run(command)) as pieces:
        async for piece in pieces:
            assert exit is None, "something came after the end"
            if isinstance(piece, Output):
                out[piece.stream] += piece.data
            else:
                exit = piece
    assert exit is not None, "no end was told"
    return Ran(bytes(out["stdout"]), bytes(out["stderr"]), exit)


async def shell(sandbox: Sandbox, script: str, timeout: float = 30.0) -> Ran:
    return await ran(sandbox, "sh", "-c", script, timeout=timeout)
