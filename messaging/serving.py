"""Requests and their answers, without a stream between."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from nats.aio.msg import Msg

from messaging.link import Link, NotPermitted
from messaging.ports import BusError, Call
from runtime import telemetry
from runtime.logs import logger

log = logger("messaging.serving")

_FAILED: Final = "Nats-Service-Error"
_CODE: Final = "Nats-Service-Error-Code"
FINISH_SECONDS: Final = 5.0


async def request(link: Link, subject: str, data: bytes, timeout: float, headers: Mapping[str, str] | None) -> bytes:
    """Ask; raises NoResponders, Unavailable, or BusError when the handler failed."""
    merged = dict(headers or {})
    telemetry.inject(merged)
    await link.ready(timeout)
    message = await link.call(subject, data, merged or None, timeout)
    if message.headers and _FAILED in message.headers:
        raise BusError(f"{subject}: {message.headers[_FAILED]}")
    return bytes(message.data)


class Served:
    """A served subject: each request is a task of its own, at most ``slots`` of them run at once."""

    def __init__(self, link: Link, handler: Callable[[Call], Awaitable[bytes]], slots: int) -> None:
        self._link, self._handler = link, handler
        self._slots = asyncio.Semaphore(slots)
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscription: Any = None

    async def start(self, subject: str, queue: str) -> None:
        """Subscribe; returns when the broker routes requests here. Raises NotPermitted."""
        self._subscription = await self._link.subscribe(subject, self._on_request, queue)
        await self._link.barrier()
        if subject.lower() in self._link.forbidden:
            raise NotPermitted(f"{self._link.service} may not serve {subject}; see deploy/nats")

    async def stop(self) -> None:
        """Serve no more; calls under way get five seconds to finish."""
        await self._link.unsubscribe(self._subscription)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=FINISH_SECONDS)
            for task in late:
                task.cancel()

    async def _on_request(self, message: Msg) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Msg) -> None:
        call = Call(message.subject, message.data, message.headers or {})
        headers: dict[str, str] | None = None
        async with self._slots:
            with telemetry.received(message.subject, call.headers):
                try:
                    answer = await self._handler(call)
                except Exception as error:  # a bug of the handler must reach its caller now, not as a time-out
                    log.exception("request.failed", subject=message.subject)
                    answer, headers = b"", {_FAILED: f"{type(error).__name__}: {error}"[:500], _CODE: "500"}
        try:
            await self._link.send(message.reply, answer, headers=headers)
        except BusError as error:
            log.warning("request.unanswered", subject=message.subject, reason=str(error))
