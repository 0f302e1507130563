"""``Idempotency-Key``: the same key and body gives the same answer for 24 hours, on every replica, across restarts."""

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from messaging.ports import BusError, Conflict, State
from runtime.clock import Clock
from schemas import subjects
from schemas.projects import IdempotentAnswer
from services.gateway.problems import Problem, invalid

IN_FLIGHT: Final = 0
LEASE: Final = timedelta(seconds=15)
REFRESH_SECONDS: Final = 4.0
LIFETIME: Final = timedelta(hours=24)
WAIT_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.02

Work = Callable[[], Awaitable[tuple[int, bytes]]]


def check_key(key: str) -> str:
    """The header's value; Problem 422 when it is empty, longer than 255 or not printable ASCII."""
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise invalid("Idempotency-Key", "must be 1 to 255 printable ASCII characters")
    return key


def entry_key(project: str, operation: str, key: str) -> str:
    """Where the answer is kept. The operation is part of it: a key is spent per route, path included."""
    mixed = hashlib.sha256(f"{operation}\n{key}".encode()).hexdigest()[:48]
    return subjects.key("idem", project or "-", mixed)


def fingerprint(body: bytes) -> str:
    """What tells two bodies apart."""
    return hashlib.sha256(body).hexdigest()


async def once(store: State[IdempotentAnswer], name: str, body: bytes, clock: Clock, work: Work) -> tuple[int, bytes]:
    """Do the work unless it was done: the status and body to answer with.

    Only successes are kept: a refused request may be repeated with the same key once the reason is gone. A second
    request during the first waits for it, up to 10 s, then 409. Whoever holds the entry and dies is overtaken after
    15 s; the work itself derives its ids from the key, so doing it again does nothing twice.
    """
    mark = fingerprint(body)
    revision = await _claim(store, name, mark, clock)
    if isinstance(revision, IdempotentAnswer):
        return revision.status, revision.body.encode()
    done = False
    keeper = asyncio.create_task(_keep(store, name, mark, clock))
    try:
        status, answer = await work()
        await _end(keeper)
        if 200 <= status < 300:
            kept = IdempotentAnswer(body_hash=mark, status=status, body=answer.decode(), created_at=clock.now())
            await store.put(name, kept)
            done = True
        return status, answer
    finally:
        await _end(keeper)
        if not done:
            await store.delete(name)


async def _keep(store: State[IdempotentAnswer], name: str, mark: str, clock: Clock) -> None:
    """Hold the entry while the work takes long (a plan)."""
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        with contextlib.suppress(BusError):  # the next round tries again; at worst the work is done twice
            await store.put(name, IdempotentAnswer(body_hash=mark, status=IN_FLIGHT, body="", created_at=clock.now()))


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})


async def _claim(store: State[IdempotentAnswer], name: str, mark: str, clock: Clock) -> int | IdempotentAnswer:
    claim = IdempotentAnswer(body_hash=mark, status=IN_FLIGHT, body="", created_at=clock.now())
    until = clock.monotonic() + WAIT_SECONDS
    while True:
        try:
            return await store.create(name, claim)
        except Conflict:
            entry = await store.get(name)
        if entry is None or entry.value is None:
            continue
        held = entry.value
        age = clock.now() - held.created_at
        if age > (LEASE if held.status == IN_FLIGHT else LIFETIME):
            try:
                return await store.replace(name, claim, entry.revision)
            except Conflict:
                continue
        if held.body_hash != mark:
            raise Problem(
                422, "idempotency_key_reused", "This Idempotency-Key was used with another body; take a new key."
            )
        if held.status != IN_FLIGHT:
            return held
        if clock.monotonic() > until:
            raise Problem(
                409, "idempotency_in_flight", "The first request with this Idempotency-Key is still running; try again."
            )
        await asyncio.sleep(POLL_SECONDS)
