"""A loopback server that speaks OpenAI's chat completions and answers with one fixed conversation.

It stands in for a model when no key is configured: whatever it is asked, it reads one file, makes one edit, runs the
tests and says so. It is not a model and is never presented as one. Wire format: OpenAI API reference, "Chat
Completions", streaming with ``data:`` events.
"""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Any

MODEL = "replay-1"
_FOLDER = re.compile(r"[Ww]orking directory:\s*(\S+)")
_BEFORE = '    return Decimal(text.strip().lstrip("$"))'
_AFTER = '    return Decimal(text.strip().lstrip("$").replace(",", ""))'


def folder_of(messages: list[dict[str, Any]]) -> str:
    """The agent's working directory as its system prompt tells it; ``/workspace`` when it does not."""
    for message in messages:
        found = _FOLDER.search(_text(message.get("content")))
        if found:
            return found.group(1)
    return "/workspace"


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def turn(request: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """The text and the tool call with which the conversation goes on, from how many tools have answered so far."""
    messages = request.get("messages") or []
    if not request.get("tools"):
        return "Read prices with thousands separators", None
    target = str(PurePosixPath(folder_of(messages)) / "shop" / "pricing.py")
    done = sum(1 for message in messages if message.get("role") == "tool")
    script: list[tuple[str, dict[str, Any] | None]] = [
        ("The traceback ends in parse_price. I read it first.", {"name": "read", "arguments": {"filePath": target}}),
        (
            "format_price prints a comma as thousands separator, parse_price refuses it. I let it be read back.",
            {"name": "edit", "arguments": {"filePath": target, "oldString": _BEFORE, "newString": _AFTER}},
        ),
        (
            "Now the tests.",
            {"name": "bash", "arguments": {"command": "python3 -m unittest -v", "description": "Run the test suite"}},
        ),
        (
            "parse_price now drops the thousands separator that format_price writes, so a printed price can be read "
            "back and checkout works for prices above 999. All tests pass.",
            None,
        ),
    ]
    return script[min(done, len(script) - 1)]


def events(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks of one streamed answer, usage last."""
    text, call = turn(request)
    base = {"id": "chatcmpl-replay", "object": "chat.completion.chunk", "created": int(time.time()), "model": MODEL}

    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    chunks = [chunk({"role": "assistant", "content": text})]
    if call:
        function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
        number = sum(1 for message in request.get("messages") or [] if message.get("role") == "tool")
        chunks.append(
            chunk({"tool_calls": [{"index": 0, "id": f"call_{number}", "type": "function", "function": function}]})
        )
    chunks.append(chunk({}, "tool_calls" if call else "stop"))
    asked = len(json.dumps(request)) // 4
    said = len(text) // 4 + 20
    usage = {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
    return [*chunks, {**base, "choices": [], "usage": usage}]


def whole(request: dict[str, Any]) -> dict[str, Any]:
    """The same answer in one piece, for a request without ``stream``."""
    text, call = turn(request)
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if call:
        function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
        message["tool_calls"] = [{"id": "call_0", "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if call else "stop"}
    return {"id": "chatcmpl-replay", "object": "chat.completion", "created": int(time.time()), "model": MODEL} | {
        "choices": [choice],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = re.search(r"(?im)^content-length:\s*(\d+)", head)
        body = await reader.readexactly(int(length.group(1))) if length else b"{}"
        path = head.split(" ", 2)[1]
        if not path.endswith("/chat/completions"):
            _send(writer, b"404 Not Found", b"application/json", b'{"error":{"message":"only /v1/chat/completions"}}')
        else:
            request = json.loads(body)
            if request.get("stream"):
                data = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events(request))
                _send(writer, b"200 OK", b"text/event-stream", data + b"data: [DONE]\n\n")
            else:
                _send(writer, b"200 OK", b"application/json", json.dumps(whole(request)).encode())
        await writer.drain()
    writer.close()


def _send(writer: asyncio.StreamWriter, status: bytes, kind: bytes, body: bytes) -> None:
    writer.write(
        b"HTTP/1.1 " + status + b"\r\nContent-Type: " + kind + b"\r\nConnection: close\r\n"
        b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
    )


@contextlib.asynccontextmanager
async def replay_server() -> AsyncIterator[str]:
    """The base URL (``http://127.0.0.1:<port>/v1``) of a running replay."""
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, limit=32 * 1024 * 1024)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
