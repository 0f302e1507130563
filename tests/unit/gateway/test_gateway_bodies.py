"""Bodies that stall or never end."""

import asyncio

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Request

from services.gateway.bodies import read_body
from services.gateway.problems import Problem


def request(*chunks: bytes) -> Request:
    """A request whose body begins with the chunks and does not end."""
    loop = asyncio.get_running_loop()
    protocol = BaseProtocol(loop)
    protocol.connection_made(asyncio.Transport())
    stream = StreamReader(protocol, 2**16, loop=loop)
    for chunk in chunks:
        stream.feed_data(chunk)
    return make_mocked_request("POST", "/ingest/manual", payload=stream)


async def test_a_body_that_stalls_is_refused_in_time() -> None:
    with pytest.raises(Problem) as caught:
        await read_body(request(b"{"), 100, seconds=0.01)
    assert (caught.value.status, caught.value.code, caught.value.retryable) == (408, "too_slow", True)


async def test_a_body_without_an_end_is_refused_at_its_limit() -> None:
    with pytest.raises(Problem) as caught:
        await read_body(request(b"x" * 60, b"x" * 60), 100)
    assert caught.value.status == 413
