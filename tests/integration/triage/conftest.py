"""Every test here runs on SQLite, and on PostgreSQL where it is installed."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from messaging.connection import NatsBus
from runtime.ids import new_id
from tests.integration.triage import postgres
from tests.integration.triage.stack import Stack, running
from tests.support.nats_server import NatsServer

_BINARIES = postgres.binaries()
DATABASES = ["sqlite", "postgresql"] if _BINARIES else ["sqlite"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Postgres]:
    """One server for all tests; each gets a database of its own."""
    assert _BINARIES is not None
    with postgres.running(_BINARIES) as server:
        yield server


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'triage.db'}"
    server: postgres.Postgres = request.getfixturevalue("postgres_server")
    return server.url(f"t{new_id().lower()}")


@pytest_asyncio.fixture
async def idle(bus: NatsBus, nats: NatsServer, database_url: str) -> Stack:
    """Everything but triage itself."""
    return Stack(bus, nats.url, database_url)


@pytest_asyncio.fixture
async def stack(idle: Stack) -> AsyncIterator[Stack]:
    """Triage serving."""
    async with running(idle) as started:
        yield started
