"""Fixtures that every test may use. Each test owns its broker: nothing is shared, no name juggling."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from messaging.connection import NatsBus, connect
from messaging.memory import MemoryBroker, MemoryBus
from messaging.provision import provision
from tests.support.nats_server import NatsServer, running


@pytest_asyncio.fixture
async def nats(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A real nats-server with nothing in it."""
    async with running(tmp_path / "nats") as server:
        yield server


@pytest_asyncio.fixture
async def bus(nats: NatsServer) -> AsyncIterator[NatsBus]:
    """A connection to that server with the embedded topology in place."""
    await provision(nats.url)
    connection = await connect(nats.url, service="test")
    try:
        yield connection
    finally:
        await connection.close()


@pytest_asyncio.fixture
async def memory_bus() -> AsyncIterator[MemoryBus]:
    """The in-memory twin with the same topology."""
    bus = MemoryBus("test", MemoryBroker())
    try:
        yield bus
    finally:
        await bus.close()
