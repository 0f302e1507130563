"""A loopback server that speaks Chat Completions as the planner asks for them, and misbehaves as told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from tests.support.loopback import Loopback, Request, listening


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the server does with one request.

    ``status`` other than 200 answers an error; ``cut`` closes the connection after half of the text; ``hang`` never
    answers; ``silent_after`` stops in the middle of the text and keeps the connection open; ``plain`` ignores
    ``stream``; ``raw`` is sent as the body, whatever it is.
    """

    text: str = ""
    status: int = 200
    error: str = "no"
    code: str | None = None
    retry_after: str | None = None
    finish: str = "stop"
    cut: bool = False
    hang: bool = False
    silent_after: bool = False
    plain: bool = False
    raw: str | None = None
    usage: bool = True


Script = Callable[[dict[str, Any], int], Reply]


class ModelServer(Loopback):
    """``requests`` are the bodies received; ``gate`` may be cleared to hold every answer back."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """What the script says."""
        body = request.body
        self.requests.append(body)
        self.headers.append(request.head)
        reply = self.script(body, len(self.requests))
        await self.gate.wait()
        if reply.hang:
            await asyncio.Event().wait()
        if reply.raw is not None:
            await _send(writer, 200, "application/json", reply.raw)
        elif reply.status != 200:
            error = {"error": {"message": reply.error, "type": "error", "code": reply.code}}
            await _send(writer, reply.status, "application/json", json.dumps(error), reply.retry_after)
        elif reply.plain or not body.get("stream"):
            await _send(writer, 200, "application/json", json.dumps(_whole(reply)))
        else:
            await self._stream(writer, reply)

    async def _stream(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        pieces = [reply.text[i : i + 40] for i in range(0, len(reply.text), 40)]
        early = reply.cut or reply.silent_after
        for piece in pieces[: len(pieces) // 2] if early else pieces:
            writer.write(_event({"index": 0, "delta": {"content": piece}, "finish_reason": None}))
        await writer.drain()
        if reply.silent_after:
            await asyncio.Event().wait()
        if reply.cut:
            return
        writer.write(_event({"index": 0, "delta": {}, "finish_reason": reply.finish}))
        if reply.usage:
            usage = {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000}
            writer.write(b"data: " + json.dumps(_base() | {"choices": [], "usage": usage}).encode() + b"\n\n")
        writer.write(b"data: [DONE]\n\n")
        await writer.drain()


@asynccontextmanager
async def model_server(script: Script) -> AsyncIterator[ModelServer]:
    """A running server; every connection is closed with the block."""
    async with listening(ModelServer(script)) as server:
        yield server


def _base() -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}


def _event(choice: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(_base() | {"choices": [choice]}).encode() + b"\n\n"


def _whole(reply: Reply) -> dict[str, Any]:
    message = {"role": "assistant", "content": reply.text}
    return _base() | {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000},
    }


async def _send(
    writer: asyncio.StreamWriter, status: int, kind: str, body: str, retry_after: str | None = None
) -> None:
    data = body.encode()
    more = f"Retry-After: {retry_after}\r\n" if retry_after else ""
    head = (
        f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n{more}Connection: close\r\n\r\n"
    )
    writer.write(head.encode() + data)
    await writer.drain()
