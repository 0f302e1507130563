"""The little of HTTP/1.1 (RFC 9112) that the model proxy serves: one request after another, bounded sizes."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_HEAD = 64 * 1024
LONGEST_BODY = 32 * 1024 * 1024
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 404: "Not Found"}
REASONS |= {405: "Method Not Allowed", 413: "Content Too Large", 502: "Bad Gateway", 503: "Service Unavailable"}


class BadRequest(Exception):
    """What came is no request that is served; ``status`` is the answer's."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True, slots=True)
class Request:
    """Header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request, None when the client closed; raises BadRequest."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise BadRequest(413, "The request's head is too long.") from None
    first, *rest = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest(400, "Not an HTTP/1.1 request.")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return Request(parts[0], parts[1], headers, await _body(reader, headers))


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    try:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return await _chunked(reader)
        length = int(headers.get("content-length", "0"))
        if not 0 <= length <= LONGEST_BODY:
            raise BadRequest(413, "The request's body is too long.")
        return await reader.readexactly(length)
    except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        raise BadRequest(400, "The request's body is cut or wrongly framed.") from None


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        if size < 0 or len(body) + size > LONGEST_BODY:
            raise BadRequest(413, "The request's body is too long.")
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        continue  # trailers are of no use here
    return bytes(body)


class Response:
    """Writes one answer; a streamed one is chunked and flushed piece by piece."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.started = False

    async def whole(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        self.started = True
        self._head(status, {"Content-Type": content_type, "Content-Length": str(len(body))})
        self._writer.write(body)
        await self._writer.drain()

    async def error(self, status: int, kind: str, message: str) -> None:
        """An error as OpenAI-compatible endpoints give it."""
        await self.whole(status, json.dumps({"error": {"message": message, "type": kind, "code": kind}}).encode())

    async def start(self, content_type: str) -> None:
        self.started = True
        headers = {"Content-Type": content_type, "Transfer-Encoding": "chunked", "Cache-Control": "no-cache"}
        self._head(200, headers)
        await self._writer.drain()

    async def chunk(self, data: bytes) -> None:
        if data:
            self._writer.write(b"%x\r\n%b\r\n" % (len(data), data))
            await self._writer.drain()

    async def end(self) -> None:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", *(f"{k}: {v}" for k, v in headers.items())]
        self._writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
