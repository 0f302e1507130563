"""The way of a report, whole: a gateway, a broker, triage and its database."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiohttp.test_utils import TestClient

from messaging.connection import NatsBus
from runtime import seal
from services.gateway.settings import Settings
from tests.integration.gateway.conftest import ADMIN_KEY, started
from tests.integration.triage.stack import Stack, running
from tests.support.nats_server import NatsServer

Client = TestClient[Any, Any]


@pytest_asyncio.fixture
async def client(nats: NatsServer, bus: NatsBus, tmp_path: Path) -> AsyncIterator[Client]:
    """A gateway in front of a real triage."""
    settings = Settings(admin_key=ADMIN_KEY, soulcaster_secret_key=seal.new_key(), request_seconds=20.0)
    async with running(Stack(bus, nats.url, f"sqlite:///{tmp_path / 't.db'}")), started(settings, bus) as (_, found):
        yield found
