"""Workers: take messages off a durable consumer, run a handler, publish what it yields, then acknowledge."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final, Generic, Protocol, TypeVar, cast

import structlog

from messaging.batch import BatchWorker
from messaging.ports import Bus, Delivery, NoResponders, Out, Unavailable
from messaging.settle import Context, Decoders, Done, Item, Result, Settler, Types, context_of, kept, publish_out
from messaging.topology import Consumer, consumer_spec
from runtime import telemetry
from runtime.logs import logger

__all__ = ["NO_OUTS", "Admission", "BatchWorker", "Context", "Done", "Item", "Result", "Worker"]

T = TypeVar("T")
R = TypeVar("R")
Stopped = asyncio.Future[Any]  # done once the worker is to stop
log = logger("messaging.worker")

EXPIRES_SECONDS: Final = 5.0
NO_OUTS: Final[tuple[Out, ...]] = ()  # ``for out in NO_OUTS: yield out`` makes a handler without outputs a generator
FINISH_SECONDS: Final = 6.0


class Admission(Protocol):
    """Leave to take one more message. Who lets the handler complete normally keeps the leave and releases it."""

    async def acquire(self) -> None: ...
    def release(self) -> None: ...


class Worker(Generic[T]):
    """Runs ``handle(message, context)`` for each message of ``consumer``, ``slots`` at a time.

    The handler is an async generator of Out. Each is published with an id derived from the input's, then the input is
    acknowledged. Retry hands it back, Reject dead-letters it, any other error is a bug: retried with growing delay
    until ``max_deliveries``, then dead-lettered. ``type_`` may map subject filters to types.
    With ``admission`` one message is fetched for each leave acquired, however long it is held, and ``slots`` is unused.
    """

    def __init__(
        self,
        bus: Bus,
        consumer: str | Consumer,
        handle: Callable[[T, Context], AsyncIterator[Out]],
        type_: Types[T],
        *,
        slots: int = 8,
        max_deliveries: int = 5,
        admission: Admission | None = None,
    ) -> None:
        self._bus, self._handle, self._slots, self._admission = bus, handle, slots, admission
        self._consumer = consumer_spec(consumer)
        self._decoders = Decoders(type_)
        self._settler = Settler(bus, self._consumer.name, max_deliveries)
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then finish what is in hand within six seconds and hand the rest back.

        Raises BusError when the connection is closed for good.
        """
        log.info("worker.started", consumer=self._consumer.name)
        stopped = asyncio.ensure_future(stop.wait())
        if self._admission is not None:
            lanes = {asyncio.create_task(self._admitted(stopped, self._admission))}
        else:
            lanes = {asyncio.create_task(self._lane(stopped)) for _ in range(self._slots)}
        try:
            await asyncio.wait({stopped, *lanes}, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():  # else a lane failed
                await asyncio.wait(lanes, timeout=FINISH_SECONDS)
        finally:
            for task in (stopped, *lanes, *self._running):
                task.cancel()
            ended = await asyncio.gather(*lanes, *self._running, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error
        log.info("worker.stopped", consumer=self._consumer.name)

    async def _lane(self, stopped: Stopped) -> None:
        """One message after another. Each lane waits at the broker itself, so a new message finds a waiting lane."""
        while (delivery := await self._next(stopped)) is not None:
            await self._process(delivery, None)

    async def _admitted(self, stopped: Stopped, admission: Admission) -> None:
        while await _unless(stopped, admission.acquire()) is not _STOPPED:
            delivery = None
            try:
                delivery = await self._next(stopped)
            finally:
                if delivery is None:
                    admission.release()
            if delivery is None:
                break
            self._start(delivery, admission)
        if self._running:
            await asyncio.wait(self._running)

    async def _next(self, stopped: Stopped) -> Delivery | None:
        """The next message, however long that takes; None once stopped."""
        while not stopped.done():
            try:
                fetched = await _unless(stopped, self._bus.fetch(self._consumer, expires=EXPIRES_SECONDS))
            except (NoResponders, Unavailable) as error:
                log.warning("worker.waiting", consumer=self._consumer.name, reason=str(error))
                await _unless(stopped, asyncio.sleep(0.5))
                continue
            if fetched is _STOPPED:
                return None
            if fetched:
                return cast(list[Delivery], fetched)[0]
        return None

    def _start(self, delivery: Delivery, admission: Admission | None) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._process(delivery, admission))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _process(self, delivery: Delivery, admission: Admission | None) -> None:
        context = context_of(delivery, datetime.now(UTC))
        outcome: BaseException | None = None
        try:
            with (
                structlog.contextvars.bound_contextvars(subject=context.subject, msg_id=context.msg_id),
                telemetry.HANDLE_SECONDS.labels(self._consumer.name).time(),
            ):
                await self._attempt(delivery, context)
        except asyncio.CancelledError as error:
            outcome = error
            if _is_cancelled():
                await delivery.nak()
                raise
            outcome = RuntimeError("the handler awaited something that was cancelled")
        except Exception as error:  # whatever a handler raises is an outcome that the settler judges
            outcome = error
        finally:
            if outcome is not None and admission is not None:
                admission.release()
        await self._settler.settle(delivery, outcome)

    async def _attempt(self, delivery: Delivery, context: Context) -> None:
        message = self._decoders.decode(delivery.subject, delivery.data)
        index = 0
        async with kept(lambda: [delivery], self._consumer.ack_wait):
            with telemetry.received(f"{self._consumer.name} handle", delivery.headers):
                outs = cast(AsyncGenerator[Out, None], self._handle(message, context))
                async with aclosing(outs):
                    async for out in outs:
                        await publish_out(self._bus, out, context, index)
                        index += 1


class _Stopped:
    """The answer of a wait that ``stop`` ended."""


_STOPPED: Final = _Stopped()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def _unless(stopped: Stopped, work: Coroutine[Any, Any, R] | Awaitable[R]) -> R | _Stopped:
    """The result of ``work``; _STOPPED when the stop came first, and the work is cancelled and has ended."""
    task: asyncio.Future[R] = asyncio.ensure_future(work)
    try:
        if await _ended_or(stopped, task):
            return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    # Both may have happened: a message that did arrive is kept rather than lost until ack_wait.
    return _STOPPED if task.cancelled() or task.exception() else task.result()


async def _ended_or(stopped: Stopped, task: "asyncio.Future[Any]") -> bool:
    """Whether the task ended before the stop."""
    if not stopped.done():
        await asyncio.wait({stopped, task}, return_when=asyncio.FIRST_COMPLETED)
    return task.done()
