"""A typed bucket in memory."""

from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from messaging.codec import Codec, is_marker
from messaging.matching import key_filters
from messaging.memory.streams import MemoryStream
from messaging.ports import CaughtUp, Conflict, Entry, Stored
from messaging.topology import Bucket

T = TypeVar("T")


class MemoryState(Codec[T]):
    """Implements ports.State."""

    def __init__(self, stream: MemoryStream, bucket: Bucket, type_: type[T]) -> None:
        super().__init__(type_)
        self._stream, self._bucket, self._head = stream, bucket, f"$KV.{bucket.name}."

    async def get(self, key: str) -> Entry[T] | None:
        stored = self._stream.last(self._head + key)
        return None if stored is None or is_marker(stored.headers) else self._entry(stored)

    async def create(self, key: str, value: T) -> int:
        stored = self._stream.last(self._head + key)
        if stored is not None and not is_marker(stored.headers):
            raise Conflict(f"{self._bucket.name}/{key} exists")
        return self._write(key, self.encode(value), None)

    async def put(self, key: str, value: T) -> int:
        return self._write(key, self.encode(value), None)

    async def replace(self, key: str, value: T, revision: int) -> int:
        return self._write(key, self.encode(value), revision)

    async def update(self, key: str, decide: Callable[[T | None], T | None]) -> T | None:
        entry = await self.get(key)
        wanted = decide(entry.value if entry else None)
        if wanted is not None:
            await self.put(key, wanted)
        return wanted

    async def delete(self, key: str) -> None:
        headers = {"KV-Operation": "PURGE", "Nats-Rollup": "sub"}
        self._stream.publish(self._head + key, b"", headers)

    async def keys(self, prefix: str = "") -> list[str]:
        found = self._stream.after(0, self._filters(prefix))
        return [stored.subject.removeprefix(self._head) for stored in found if not is_marker(stored.headers)]

    async def items(self, prefix: str = "") -> list[Entry[T]]:
        found = self._stream.after(0, self._filters(prefix))
        entries = (self._one_of_many(stored) for stored in found if not is_marker(stored.headers))
        return [entry for entry in entries if entry is not None]

    async def watch(self, prefix: str = "") -> AsyncGenerator[Entry[T] | CaughtUp, None]:
        cursor, caught_up = 0, False
        while True:
            changed = self._stream.changed
            for stored in self._stream.after(cursor, self._filters(prefix)):
                cursor = stored.sequence
                if not is_marker(stored.headers):
                    if (entry := self._one_of_many(stored)) is not None:
                        yield entry
                elif caught_up:
                    yield Entry(stored.subject.removeprefix(self._head), None, stored.sequence)
            if not caught_up:
                caught_up = True
                yield CaughtUp(cursor)
            await changed.wait()

    def _filters(self, prefix: str) -> tuple[str, ...]:
        return tuple(self._head + filter_ for filter_ in key_filters(prefix))

    def _entry(self, stored: Stored) -> Entry[T]:
        key = stored.subject.removeprefix(self._head)
        return Entry(key, self.decode(stored.data, f"{self._bucket.name}/{key}"), stored.sequence)

    def _one_of_many(self, stored: Stored) -> Entry[T] | None:
        key = stored.subject.removeprefix(self._head)
        return self.readable(self._bucket.name, key, stored.data, stored.sequence)

    def _write(self, key: str, data: bytes, expected: int | None) -> int:
        headers = {} if expected is None else {"Nats-Expected-Last-Subject-Sequence": str(expected)}
        if ttl := self._bucket.ttl_for(key):
            headers["Nats-TTL"] = f"{int(ttl)}s"
        return self._stream.publish(self._head + key, data, headers).sequence
