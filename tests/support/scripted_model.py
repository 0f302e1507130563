"""A loopback server that speaks Chat Completions as coding agents ask for them, and misbehaves as told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.loopback import Loopback, Request, listening

Fault = Literal["none", "refuse", "hang", "garbage", "cut"]


@dataclass(frozen=True)
class Turn:
    """One answer: words, then a tool call. ``status`` other than 200 is an error; ``fault`` is worse than an error.

    ``refuse`` closes the connection at once, ``hang`` says nothing, ``garbage`` is no JSON, ``cut`` ends in the middle.
    """

    text: str = ""
    tool: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    fault: Fault = "none"
    tokens: tuple[int, int] = (100, 10)
    usage: bool = True


Script = Callable[[dict[str, Any], int], Turn]


def conversation(*turns: Turn) -> Script:
    """The turns in the order of tool results so far, so that a repeated request gets the same answer."""

    def script(request: dict[str, Any], number: int) -> Turn:
        if not request.get("tools"):
            return Turn("A title")
        done = sum(1 for message in request.get("messages", []) if message.get("role") == "tool")
        return turns[min(done, len(turns) - 1)]

    return script


def always(turn: Turn) -> Script:
    return lambda request, number: turn


def in_order(*turns: Turn) -> Script:
    """The turns by number of request; the last one again and again."""
    return lambda request, number: turns[min(number, len(turns) - 1)]


class ScriptedModel(Loopback):
    """``requests`` are the bodies received, ``keys`` the bearer tokens they came with."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """The next turn."""
        turn = self.script(request.body, len(self.requests))
        self.requests.append(request.body)
        self.keys.append(request.bearer)
        if turn.fault == "refuse":
            return
        if turn.fault == "hang":
            await asyncio.Event().wait()
        body, kind = _body(request.body, turn)
        status = f"HTTP/1.1 {turn.status} Scripted\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n"
        writer.write(status.encode() + (body[: len(body) // 2] if turn.fault == "cut" else body))
        await writer.drain()


@asynccontextmanager
async def scripted_model(script: Script) -> AsyncIterator[ScriptedModel]:
    """A listening model; ended with the block."""
    async with listening(ScriptedModel(script)) as model:
        yield model


def _body(request: dict[str, Any], turn: Turn) -> tuple[bytes, str]:
    if turn.fault == "garbage":
        return b"<html>Bad gateway, sorry</html>", "text/html"
    if turn.status != 200:
        return json.dumps(
            {"error": {"message": turn.text or "scripted error", "type": "scripted"}}
        ).encode(), "application/json"
    if not request.get("stream"):
        return json.dumps(_whole(turn)).encode(), "application/json"
    data = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in _events(turn))
    return data + b"data: [DONE]\n\n", "text/event-stream"


def _call(turn: Turn) -> list[dict[str, Any]]:
    function = {"name": turn.tool, "arguments": json.dumps(turn.arguments)}
    return [{"index": 0, "id": f"call_{turn.tool}", "type": "function", "function": function}]


def _usage(turn: Turn) -> dict[str, int]:
    sent, said = turn.tokens
    return {"prompt_tokens": sent, "completion_tokens": said, "total_tokens": sent + said}


def _whole(turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": turn.text}
    message |= {"tool_calls": _call(turn)} if turn.tool else {}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if turn.tool else "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "scripted", "choices": [choice]} | (
        {"usage": _usage(turn)} if turn.usage else {}
    )


def _events(turn: Turn) -> list[dict[str, Any]]:
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
    deltas: Sequence[dict[str, Any]] = [{"role": "assistant", "content": turn.text}]
    if turn.tool:
        deltas = [*deltas, {"tool_calls": _call(turn)}]
    chunks = [base | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    last = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if turn.tool else "stop"}
    chunks.append(base | {"choices": [last]})
    return [*chunks, base | {"choices": [], "usage": _usage(turn)}] if turn.usage else chunks
