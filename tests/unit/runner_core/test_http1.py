"""The proxy's little HTTP: bounded, and never confused by framing."""

import asyncio

import pytest

from runner_core.http1 import LONGEST_HEAD, BadRequest, Request, read_request


async def read(*pieces: bytes) -> Request | None:
    reader = asyncio.StreamReader(limit=LONGEST_HEAD)
    for piece in pieces:
        reader.feed_data(piece)
    reader.feed_eof()
    return await read_request(reader)


async def test_a_body_comes_by_length_and_in_chunks() -> None:
    whole = await read(b"POST /v1/x HTTP/1.1\r\nContent-Length: 4\r\nX-A: b\r\n\r\nabcdrest")
    assert whole is not None
    assert (whole.method, whole.path, whole.headers["x-a"], whole.body) == ("POST", "/v1/x", "b", b"abcd")
    chunked = await read(
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nT: v\r\n\r\n"
    )
    assert chunked is not None
    assert chunked.body == b"abcd"


async def test_a_closed_connection_is_no_request() -> None:
    assert await read() is None


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff0\r\n", 413),
        (b"POST / HTTP/1.1\r\nA: " + b"x" * LONGEST_HEAD + b"\r\n\r\n", 413),
    ],
)
async def test_what_is_no_request_is_refused_with_its_status(data: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as refused:
        await read(data)
    assert refused.value.status == status
