"""The broker's clock as this machine sees it."""

import pytest

from messaging.clocks import ahead
from messaging.connection import NatsBus
from messaging.ports import BusError
from tests.support.nats_server import NatsServer


async def test_two_processes_of_one_machine_have_one_clock(nats: NatsServer, bus: NatsBus) -> None:
    assert abs(await ahead(nats.url, within=20)) < 1.0


async def test_a_broker_that_is_not_there_is_told_as_such() -> None:
    with pytest.raises(BusError):
        await ahead("nats://127.0.0.1:9", within=0.5)
