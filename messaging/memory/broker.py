"""What the buses of one test share."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from messaging.matching import matches, matches_any
from messaging.memory.streams import MemoryStream
from messaging.memory.work import MemoryConsumer
from messaging.ports import Call, NoResponders, Unavailable
from messaging.topology import CONSUMERS, KNOWN_RUNNERS, Consumer, StreamSpec, all_streams, runner_consumer


@dataclass(eq=False)
class Service:
    """A served subject."""

    subject: str
    queue: str
    handler: Callable[[Call], Awaitable[bytes]]
    slots: asyncio.Semaphore
    running: set["asyncio.Task[bytes]"] = field(default_factory=set)


class MemoryBroker:
    """Streams, consumers, services and objects, with the embedded topology unless ``streams`` says otherwise."""

    def __init__(self, streams: list[StreamSpec] | None = None) -> None:
        self.streams = {spec.name: MemoryStream(spec) for spec in (streams or all_streams())}
        self.consumers: dict[str, MemoryConsumer] = {}
        self.services: list[Service] = []
        self.objects: dict[str, bytes] = {}
        self._turn = 0
        for consumer in [*CONSUMERS.values(), *map(runner_consumer, KNOWN_RUNNERS)]:
            if consumer.stream in self.streams:
                self.add(consumer)

    def add(self, consumer: Consumer) -> None:
        """Create a consumer unless it exists."""
        if consumer.name not in self.consumers:
            self.consumers[consumer.name] = MemoryConsumer(self.streams[consumer.stream], consumer)

    def consumer(self, name: str) -> MemoryConsumer:
        """Raises NoResponders, as a pull from a missing consumer does."""
        if name not in self.consumers:
            raise NoResponders(f"no consumer {name}; run the provisioner")
        return self.consumers[name]

    def owner(self, subject: str) -> MemoryStream:
        """The stream that stores the subject; raises Unavailable, as a publish nobody acknowledges does."""
        for stream in self.streams.values():
            if matches_any(stream.spec.subjects, subject):
                return stream
        raise Unavailable(f"no stream takes {subject}")

    def responder(self, subject: str) -> Service:
        """The next service of the subject in turn; raises NoResponders."""
        found = [service for service in self.services if matches(service.subject, subject)]
        if not found:
            raise NoResponders(f"nobody answers on {subject}")
        self._turn += 1
        return found[self._turn % len(found)]
