"""What goes wrong at a double, and when."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

Kind = Literal["status", "hang", "drop", "cut", "half_open", "kill"]


@dataclass(frozen=True)
class Fault:
    """``status`` answers so, ``hang`` says nothing for ever, ``drop`` closes the connection; all three before the work
    is done, or after it when ``committed``. For streams, after ``after`` bytes: ``cut`` breaks the connection,
    ``half_open`` falls silent, ``kill`` ends the sandbox."""

    kind: Kind = "status"
    status: int = 500
    message: str = "Failed to place sandbox"
    headers: dict[str, str] = field(default_factory=dict)
    committed: bool = False
    after: int = 0
    text: bool = False  # a proxy's plain text instead of the API's JSON


class Faults:
    """A queue for each operation; ``often`` adds a fault with a probability instead, from one seed."""

    def __init__(self, seed: int = 1) -> None:
        self._queues: dict[str, list[Fault]] = defaultdict(list)
        self._often: dict[str, list[tuple[float, Fault]]] = defaultdict(list)
        self._random = random.Random(seed)
        self.taken: list[tuple[str, Fault]] = []

    def add(self, operation: str, *faults: Fault) -> None:
        self._queues[operation].extend(faults)

    def often(self, operation: str, probability: float, fault: Fault) -> None:
        self._often[operation].append((probability, fault))

    def clear(self) -> None:
        self._queues.clear()
        self._often.clear()

    def take(self, operation: str) -> Fault | None:
        """The next fault of that operation, if any."""
        fault: Fault | None = None
        if self._queues[operation]:
            fault = self._queues[operation].pop(0)
        else:
            for probability, candidate in self._often[operation]:
                if self._random.random() < probability:
                    fault = candidate
                    break
        if fault is not None:
            self.taken.append((operation, fault))
        return fault


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Shape = Callable[[Fault], web.Response]


async def suffer(
    fault: Fault | None, request: web.Request, handler: Handler, shape: Shape, stopping: asyncio.Event
) -> web.StreamResponse:
    """Answer as ``handler`` does, or as the fault wants."""
    if fault is None or fault.kind in ("cut", "half_open", "kill"):
        return await handler(request)
    if fault.committed:
        await handler(request)
    if fault.kind == "status":
        return web.Response(status=fault.status, text="<html>no</html>") if fault.text else shape(fault)
    if fault.kind == "hang":
        await stopping.wait()
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
