"""A loopback server that speaks OpenAI's Embeddings, and misbehaves as told.

The same text gets the same vector: a count of its words by their checksums. Texts that share words have near vectors.
"""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.support.loopback import Loopback, Request, listening

DIMS: Final = 32
Fault = Literal["none", "hang", "refuse", "cut", "endless", "endless_error"]


@dataclass(frozen=True)
class Reply:
    """One answer. ``raw`` is sent as it is; ``fault`` is worse than an error.

    ``hang`` says nothing, ``refuse`` closes at once, ``cut`` ends in the middle, ``endless`` never ends: its numbers
    come as long as anybody reads, ``endless_error`` the same with status 500.
    """

    status: int = 200
    said: str = "no"
    headers: tuple[str, ...] = ()
    raw: bytes | None = None
    fault: Fault = "none"
    dims: int = DIMS


Script = Callable[[list[str], int], Reply]
FINE: Final = Reply()


def always(reply: Reply) -> Script:
    return lambda texts, number: reply


def in_order(*replies: Reply) -> Script:
    """By number of request; the last one again and again."""
    return lambda texts, number: replies[min(number, len(replies) - 1)]


def vector_of(text: str, dims: int = DIMS) -> list[float]:
    counts = [0.0] * dims
    for word in text.lower().split():
        counts[zlib.crc32(word.encode()) % dims] += 1.0
    return counts if any(counts) else [1.0] * dims


def answer(texts: Sequence[str], dims: int = DIMS) -> dict[str, Any]:
    """As the API reference shows it; the last text comes first, for no order is promised."""
    data = [
        {"object": "embedding", "index": place, "embedding": vector_of(text, dims)} for place, text in enumerate(texts)
    ]
    return {"object": "list", "data": data[::-1], "model": "double", "usage": {"prompt_tokens": 1, "total_tokens": 1}}


class EmbeddingServer(Loopback):
    """``requests`` are the bodies received, ``keys`` the bearer tokens they came with; ``gate`` holds answers back."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.paths: list[str] = []
        self.sent = 0
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def texts(self) -> list[str]:
        """All that was ever asked, in order."""
        return [text for request in self.requests for text in request["input"]]

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """What the script says."""
        texts = request.body["input"]
        reply = self.script(texts, len(self.requests))
        self.requests.append(request.body)
        self.keys.append(request.bearer)
        self.paths.append(request.head.split(" ")[1])
        await self.gate.wait()
        if reply.fault == "refuse":
            return
        if reply.fault == "hang":
            await asyncio.Event().wait()
        status = 500 if reply.fault == "endless_error" else reply.status
        extra = "".join(f"{line}\r\n" for line in reply.headers)
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{extra}Connection: close\r\n\r\n".encode()
        )
        if reply.fault.startswith("endless"):
            await self._flood(writer)
        body = _body(texts, reply)
        writer.write(body[: len(body) // 2] if reply.fault == "cut" else body)
        await writer.drain()

    async def _flood(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"data": [{"index": 0, "embedding": [')
        piece = b"0.125, " * 10_000
        while True:
            writer.write(piece)
            await writer.drain()
            self.sent += len(piece)


def _body(texts: list[str], reply: Reply) -> bytes:
    if reply.raw is not None:
        return reply.raw
    if reply.status != 200:
        return json.dumps({"error": {"message": reply.said, "type": "invalid_request_error", "code": None}}).encode()
    return json.dumps(answer(texts, reply.dims)).encode()


@asynccontextmanager
async def embedding_server(script: Script = always(FINE)) -> AsyncIterator[EmbeddingServer]:
    """A listening server; ended with the block."""
    async with listening(EmbeddingServer(script)) as server:
        yield server
