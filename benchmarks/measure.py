"""What the broker benchmarks share: a server of their own, percentiles, JSON lines."""

import asyncio
import json
import platform
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
import uvloop

from messaging.provision import provision
from tests.support.nats_server import NatsServer, running


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def milliseconds(values: Sequence[float]) -> dict[str, float]:
    """p50 and p99 in milliseconds."""
    return {"p50_ms": round(percentile(values, 0.5) * 1e3, 3), "p99_ms": round(percentile(values, 0.99) * 1e3, 3)}


def tell(name: str, **numbers: Any) -> None:
    """One JSON line on standard output."""
    print(json.dumps({"bench": name, **numbers}), flush=True)


async def best_of(rounds: int, measure: Callable[[], Awaitable[float]]) -> list[float]:
    """The results of several rounds; the caller picks median or best."""
    return [await measure() for _ in range(rounds)]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


async def timed(times: int, operation: Callable[[int], Awaitable[object]]) -> list[float]:
    """Seconds of each of ``times`` sequential calls."""
    taken = []
    for number in range(times):
        begin = time.perf_counter()
        await operation(number)
        taken.append(time.perf_counter() - begin)
    return taken


@asynccontextmanager
async def broker() -> AsyncIterator[NatsServer]:
    """A provisioned nats-server that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with running(Path(folder)) as server:
            await provision(server.url)
            yield server


def main(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a benchmark under uvloop with quiet logs."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    tell("machine", python=platform.python_version(), system=platform.machine())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
