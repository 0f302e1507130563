"""The worker for consumers that are cheaper in batches: one handler call for up to ``size`` messages."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

from messaging.ports import Bus, Delivery, NoResponders, Reject, Unavailable
from messaging.settle import Context, Decoders, Done, Item, Result, Settler, Types, context_of, kept, publish_out
from messaging.topology import Consumer, consumer_spec
from runtime import telemetry
from runtime.logs import logger

T = TypeVar("T")
log = logger("messaging.batch")
EXPIRES_SECONDS: Final = 2.0
HandleBatch = Callable[[list[Item[T]]], Awaitable[Sequence[Result]]]


class BatchWorker(Generic[T]):
    """Runs ``handle_batch(items)``; it returns one Done, Retry or Reject for each item, in the same order.

    When it raises, the whole batch is handed back, and each item counts a failed delivery: write the handler so that
    one bad item does not fail its neighbours.
    """

    def __init__(
        self,
        bus: Bus,
        consumer: str | Consumer,
        handle_batch: HandleBatch[T],
        type_: Types[T],
        *,
        size: int = 256,
        max_deliveries: int = 5,
    ) -> None:
        self._bus, self._handle, self._size = bus, handle_batch, size
        self._consumer = consumer_spec(consumer)
        self._decoders = Decoders(type_)
        self._settler = Settler(bus, self._consumer.name, max_deliveries)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; the batch in hand is finished. A batch is fetched when the last one is done."""
        stopped = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                await self._once(stopped)
        finally:
            stopped.cancel()

    async def _once(self, stopped: "asyncio.Future[Any]") -> None:
        fetching: asyncio.Future[Any] = asyncio.ensure_future(
            self._bus.fetch(self._consumer, batch=self._size, expires=EXPIRES_SECONDS)
        )
        try:
            await asyncio.wait({fetching, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not fetching.done():
                fetching.cancel()
                await asyncio.wait({fetching})
        if fetching.cancelled():
            return
        try:
            deliveries = fetching.result()
        except (NoResponders, Unavailable) as error:
            log.warning("worker.waiting", consumer=self._consumer.name, reason=str(error))
            await asyncio.wait({stopped}, timeout=0.5)
            return
        if deliveries:
            await self._process(deliveries)

    async def _process(self, deliveries: list[Delivery]) -> None:
        readable: list[tuple[Delivery, Item[T]]] = []
        now = datetime.now(UTC)
        for delivery in deliveries:
            try:
                message = self._decoders.decode(delivery.subject, delivery.data)
            except Reject as reject:
                await self._settler.settle(delivery, reject)
            else:
                readable.append((delivery, Item(message, context_of(delivery, now))))
        if not readable:
            return
        try:
            async with kept(lambda: [delivery for delivery, _ in readable], self._consumer.ack_wait):
                await self._handle_all(readable)
        except asyncio.CancelledError:
            for delivery, _ in readable:
                await delivery.nak()
            raise

    async def _handle_all(self, readable: list[tuple[Delivery, Item[T]]]) -> None:
        try:
            with telemetry.HANDLE_SECONDS.labels(self._consumer.name).time():
                results = await self._handle([item for _, item in readable])
            if len(results) != len(readable):
                raise ValueError(f"the handler returned {len(results)} results for {len(readable)} items")
        except Exception as error:  # whatever a handler raises is an outcome that the settler judges
            for delivery, _ in readable:
                await self._settler.settle(delivery, error)
            return
        for (delivery, item), result in zip(readable, results, strict=True):
            await self._settler.settle(delivery, await self._outcome(result, item.context))

    async def _outcome(self, result: Result, context: Context) -> BaseException | None:
        if not isinstance(result, Done):
            return result
        try:
            for index, out in enumerate(result.outs):
                await publish_out(self._bus, out, context, index)
        except Exception as error:  # an output that cannot be published hands its input back
            return error
        return None
