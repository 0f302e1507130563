"""A gateway in this process on a real nats-server, and a triage that answers from a script."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from messaging.connection import NatsBus
from messaging.ports import Bus, Call
from runtime import seal
from schemas import triage
from services.gateway.context import Gateway
from services.gateway.service import application, running
from services.gateway.settings import Settings

ADMIN_KEY = "test-admin-key-0123456789"
SECRET_KEY = seal.new_key()


class ScriptedTriage:
    """``answers[operation]`` is a result, a CallError, or a function of the request's values."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"health": {"instance": "scripted", "database": "sqlite", "feedback": 0}}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def __call__(self, call: Call) -> bytes:
        operation = call.subject.rpartition(".")[2]
        values = msgspec.json.decode(call.data)
        self.asked.append((operation, values))
        answer = self.answers.get(operation)
        if callable(answer):
            answer = answer(values)
        if answer is None:
            answer = triage.CallError(status=404, code="not_found", detail="No such thing")
        if isinstance(answer, triage.CallError):
            return msgspec.json.encode({"error": answer})
        return msgspec.json.encode({"ok": answer})


@pytest.fixture
def settings() -> Settings:
    """Settings of the gateway under test."""
    return Settings(admin_key=ADMIN_KEY, soulcaster_secret_key=SECRET_KEY, plan_wait_seconds=5.0, request_seconds=2.0)


@pytest_asyncio.fixture
async def scripted(bus: NatsBus) -> AsyncIterator[ScriptedTriage]:
    """The scripted triage, serving."""
    script = ScriptedTriage()
    served = await bus.serve("triage.*", script)
    try:
        yield script
    finally:
        await served.stop()


@asynccontextmanager
async def started(settings: Settings, bus: Bus) -> AsyncIterator["tuple[Gateway, TestClient[Any, Any]]"]:
    """A gateway and a client that sends the admin key."""
    async with running(settings, bus) as gateway:
        server = TestServer(application(gateway))
        async with TestClient(server, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as client:
            try:
                yield gateway, client
            finally:
                gateway.stopping.set()


@pytest_asyncio.fixture
async def house(settings: Settings, bus: NatsBus) -> AsyncIterator["tuple[Gateway, TestClient[Any, Any]]"]:
    """Both."""
    async with started(settings, bus) as found:
        yield found


@pytest.fixture
def gateway(house: "tuple[Gateway, TestClient[Any, Any]]") -> Gateway:
    """The gateway's parts."""
    return house[0]


@pytest.fixture
def client(house: "tuple[Gateway, TestClient[Any, Any]]") -> "TestClient[Any, Any]":
    """The client."""
    return house[1]


@pytest.fixture
def stored(bus: NatsBus) -> Callable[[str], Any]:
    """How many messages a stream holds."""

    async def count(stream: str) -> int:
        return await bus.count(stream)

    return count
