"""A typed bucket in NATS key-value form (ADR-8), with compare-and-set that survives markers and lost answers.

nats-py's own ``create`` fails after a key expired, because the server's deletion marker counts as a value. Here a
marker is read as "no value", and its sequence is what the next compare-and-set expects.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, TypeVar

from messaging import publishing, reading
from messaging.codec import Codec, is_marker
from messaging.link import Link
from messaging.matching import key_filters
from messaging.ports import CaughtUp, Conflict, Entry, Stored
from messaging.tail import View, scan, tail
from messaging.topology import Bucket
from runtime import ids

T = TypeVar("T")

_EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
_MARKER_TTL: Final = "3600s"  # a deletion is remembered an hour for those who watch, then takes no space
_UPDATE_TRIES: Final = 64


class NatsState(Codec[T]):
    """Implements ports.State. Reads go to the stream's leader, never to a replica that may lag."""

    def __init__(self, link: Link, bucket: Bucket, type_: type[T]) -> None:
        super().__init__(type_)
        self._link, self._bucket = link, bucket
        self._stream = f"KV_{bucket.name}"
        self._head = f"$KV.{bucket.name}."

    async def get(self, key: str) -> Entry[T] | None:
        stored = await self._newest(key)
        if stored is None or is_marker(stored.headers):
            return None
        return self._entry(stored)

    async def create(self, key: str, value: T) -> int:
        data = self.encode(value)
        try:
            return await self._write(key, data, 0)
        except Conflict:
            stored = await self._newest(key)
            if stored is not None and not is_marker(stored.headers):
                raise
        return await self._write(key, data, stored.sequence if stored else 0)

    async def put(self, key: str, value: T) -> int:
        return await self._write(key, self.encode(value), None)

    async def replace(self, key: str, value: T, revision: int) -> int:
        return await self._write(key, self.encode(value), revision)

    async def update(self, key: str, decide: Callable[[T | None], T | None]) -> T | None:
        for attempt in range(_UPDATE_TRIES):
            entry = await self.get(key)
            wanted = decide(entry.value if entry else None)
            if wanted is None:
                return None
            try:
                if entry is None:
                    await self.create(key, wanted)
                else:
                    await self.replace(key, wanted, entry.revision)
            except Conflict:
                # Contenders that retry in step would conflict again in step.
                await asyncio.sleep(random.uniform(0, min(0.002 * attempt, 0.05)))  # noqa: S311  (no secret)
                continue
            return wanted
        raise Conflict(f"{self._bucket.name}/{key} was changed by others {_UPDATE_TRIES} times in a row; try again")

    async def delete(self, key: str) -> None:
        headers = {"KV-Operation": "PURGE", "Nats-Rollup": "sub", "Nats-TTL": _MARKER_TTL}
        await self._store(key, b"", headers)

    async def keys(self, prefix: str = "") -> list[str]:
        found = await scan(self._link, self._view(prefix, headers_only=True))
        return [self._key(stored) for stored in found if not is_marker(stored.headers)]

    async def items(self, prefix: str = "") -> list[Entry[T]]:
        found = await scan(self._link, self._view(prefix))
        entries = (self._one_of_many(stored) for stored in found if not is_marker(stored.headers))
        return [entry for entry in entries if entry is not None]

    async def watch(self, prefix: str = "") -> AsyncGenerator[Entry[T] | CaughtUp, None]:
        caught_up = False
        async with aclosing(tail(self._link, self._view(prefix), after=0)) as found:
            async for item in found:
                if isinstance(item, CaughtUp):
                    caught_up = True
                    yield item
                elif not is_marker(item.headers):
                    if (entry := self._one_of_many(item)) is not None:
                        yield entry
                elif caught_up:
                    yield Entry(self._key(item), None, item.sequence)

    def _view(self, prefix: str, *, headers_only: bool = False) -> View:
        filters = tuple(self._head + filter_ for filter_ in key_filters(prefix))
        return View(self._stream, filters, newest_only=True, headers_only=headers_only)

    def _key(self, stored: Stored) -> str:
        return stored.subject.removeprefix(self._head)

    def _entry(self, stored: Stored) -> Entry[T]:
        key = self._key(stored)
        return Entry(key, self.decode(stored.data, f"{self._bucket.name}/{key}"), stored.sequence)

    def _one_of_many(self, stored: Stored) -> Entry[T] | None:
        return self.readable(self._bucket.name, self._key(stored), stored.data, stored.sequence)

    async def _newest(self, key: str) -> Stored | None:
        return await reading.newest(self._link, self._stream, self._head + key)

    async def _write(self, key: str, data: bytes, expected: int | None) -> int:
        headers = {} if expected is None else {_EXPECTED: str(expected)}
        if ttl := self._bucket.ttl_for(key):
            headers["Nats-TTL"] = f"{int(ttl)}s"
        return await self._store(key, data, headers)

    async def _store(self, key: str, data: bytes, headers: dict[str, str]) -> int:
        mine = headers["Nats-Msg-Id"] = ids.new_id()
        try:
            return (await publishing.publish(self._link, self._head + key, data, headers)).sequence
        except publishing.ConflictAfterRepeat:
            # The broker compares sequences before ids, so a repeat of a stored write conflicts with itself.
            stored = await self._newest(key)
            if stored is not None and stored.headers.get("Nats-Msg-Id") == mine:
                return stored.sequence
            raise
