"""The only way from a sandbox to a model: a small HTTP server that each attempt has to itself.

Inside the sandbox there is a key that is good for nothing but this proxy. The proxy adds the real one, allows the one
configured model, counts tokens and money, refuses when the budget is spent, and tries again where that helps.
"""

import asyncio
import contextlib
import hmac
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from runner_core import http1
from runner_core.metering import Events, Meter, Spent, Tokens, estimate, is_completion, usage_of
from schemas.errors import Failure

FIRST_PIECE = 64 * 1024  # an answer is judged by its beginning before any of it is passed on
LONGEST_ANSWER = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible endpoint. ``patience`` is how long, in seconds, it may say nothing."""

    base_url: str
    key: str
    model: str
    patience: float = 120.0
    tries: int = 4
    first_delay: float = 1.0
    longest_delay: float = 20.0


class _Trouble(Exception):
    """One try failed. ``again`` says whether another may work, ``after`` what the endpoint asked for, in seconds."""

    def __init__(
        self, reason: str, *, again: bool = True, after: float = 0.0, status: int = 502, body: bytes = b""
    ) -> None:
        super().__init__(reason)
        self.reason, self.again, self.after, self.status, self.body = reason, again, after, status, body


class ModelProxy:
    """``failure`` and ``broken`` are set when no further call can succeed."""

    def __init__(self, endpoint: Endpoint, key: str, meter: Meter) -> None:
        self._endpoint, self._key, self.meter = endpoint, key, meter
        self.failure: Failure | None = None
        self.broken = asyncio.Event()
        self.last_activity = time.monotonic()
        self._session: aiohttp.ClientSession | None = None
        self._one = asyncio.Lock()  # a budget cannot be overrun by calls side by side

    @asynccontextmanager
    async def listen(self, path: Path) -> AsyncIterator[None]:
        """Serve on a unix socket at ``path`` until left."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=self._endpoint.patience)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as self._session:
            listener = _unix_listener(path)
            connections: set[asyncio.Task[None]] = set()

            async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.current_task()
                assert task is not None
                connections.add(task)
                try:
                    await self._serve(reader, writer)
                finally:
                    connections.discard(task)
                    writer.close()

            server = await asyncio.start_unix_server(accept, sock=listener, limit=http1.LONGEST_HEAD)
            try:
                yield
            finally:
                server.close()
                for task in list(connections):
                    task.cancel()
                await asyncio.gather(*connections, return_exceptions=True)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while True:
                response = http1.Response(writer)
                try:
                    request = await http1.read_request(reader)
                except http1.BadRequest as error:
                    await response.error(error.status, "invalid_request_error", error.reason)
                    return
                if request is None:
                    return
                self.last_activity = time.monotonic()
                await self._answer(request, response)
                self.last_activity = time.monotonic()

    async def _answer(self, request: http1.Request, response: http1.Response) -> None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._key.encode()):
            return await response.error(401, "invalid_api_key", "This key is not the one of this run.")
        if request.path.partition("?")[0] != "/v1/chat/completions":
            return await response.error(404, "not_found", "Only POST /v1/chat/completions is served here.")
        if request.method != "POST":
            return await response.error(405, "method_not_allowed", "Use POST.")
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            return await response.error(400, "invalid_request_error", "The body is no JSON.")
        if not isinstance(body, dict):
            return await response.error(400, "invalid_request_error", "The body is no JSON object.")
        async with self._one:
            await self._complete(body, response)

    async def _complete(self, body: dict[str, Any], response: http1.Response) -> None:
        if self.failure is not None:
            return await response.error(503, "unavailable", self.failure.reason)
        if spent := self.meter.spent():
            self._fail(_budget(spent))
            return await response.error(
                402, "budget_exceeded", f"The budget of this {spent.whose} is spent: {spent.words}."
            )
        payload = json.dumps(self._shaped(body)).encode()
        delay = self._endpoint.first_delay
        for left in reversed(range(self._endpoint.tries)):
            self.meter.requests += 1
            try:
                return await self._forward(payload, bool(body.get("stream")), response)
            except _Trouble as trouble:
                if response.started:
                    return self._fail(_unavailable(trouble.reason))
                if not trouble.again:
                    return await response.whole(trouble.status, trouble.body)
                if not left or self.failure is not None:
                    if self.failure is None:
                        self._fail(_unavailable(trouble.reason))
                    return await response.error(502, "model_unavailable", trouble.reason)
                await asyncio.sleep(min(max(delay, trouble.after), self._endpoint.longest_delay))
                delay *= 2

    def _shaped(self, body: dict[str, Any]) -> dict[str, Any]:
        """The request as it goes on: our model, usage told, no longer answer than the budget allows."""
        shaped = {**body, "model": self._endpoint.model}
        if body.get("stream"):
            shaped["stream_options"] = {"include_usage": True}
        left = self.meter.output_left()
        for name in ("max_tokens", "max_completion_tokens"):
            if isinstance(body.get(name), int):
                shaped[name] = min(body[name], left)
        return shaped

    async def _forward(self, payload: bytes, stream: bool, response: http1.Response) -> None:
        assert self._session is not None
        headers = {"Authorization": f"Bearer {self._endpoint.key}", "Content-Type": "application/json"}
        url = self._endpoint.base_url.rstrip("/") + "/chat/completions"
        try:
            async with self._session.post(url, data=payload, headers=headers, allow_redirects=False) as upstream:
                if upstream.status != 200:
                    await self._refused(upstream)
                elif stream:
                    await self._stream(upstream, len(payload), response)
                else:
                    await self._whole(upstream, len(payload), response)
        except TimeoutError as error:
            raise _Trouble(f"The model endpoint said nothing for {self._endpoint.patience:.0f} s.") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _Trouble(f"The model endpoint is not reached: {error}") from error

    async def _refused(self, upstream: aiohttp.ClientResponse) -> None:
        said = (await upstream.content.read(65536)).decode("utf-8", "replace")
        reason = f"The model endpoint answered {upstream.status}: {said[:300].strip()}"
        if upstream.status in (401, 403, 404):
            self._fail(
                Failure(
                    kind="configuration",
                    reason=reason,
                    action="Check OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL of the runner.",
                )
            )
            raise _Trouble(reason)
        again = upstream.status in (408, 409, 425, 429) or upstream.status >= 500
        raise _Trouble(
            reason,
            again=again,
            after=_seconds(upstream.headers.get("Retry-After")),
            status=upstream.status,
            body=said.encode(),
        )

    async def _whole(self, upstream: aiohttp.ClientResponse, sent: int, response: http1.Response) -> None:
        body = await upstream.content.read(LONGEST_ANSWER)
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not is_completion(answer):
            raise _Trouble("The model endpoint answered something that is no chat completion.")
        self.meter.add(usage_of(answer) or estimate(sent, len(body)))
        await response.whole(200, body)

    async def _stream(self, upstream: aiohttp.ClientResponse, sent: int, response: http1.Response) -> None:
        events, held, received = Events(), bytearray(), 0
        tokens: Tokens | None = None
        try:
            async for piece in upstream.content.iter_any():
                self.last_activity = time.monotonic()
                received += len(piece)
                events.feed(piece)
                if not response.started:
                    held += piece
                    if events.seen == "garbage" or (events.seen == "nothing" and len(held) > FIRST_PIECE):
                        break
                    if events.seen == "nothing":
                        continue
                    await response.start("text/event-stream")
                    piece = bytes(held)
                await response.chunk(piece)
            if not response.started:
                raise _Trouble("The model endpoint answered something that is no chat completion stream.")
            await response.end()
        finally:
            tokens = events.tokens or (estimate(sent, received) if response.started else None)
            if tokens is not None:
                self.meter.add(tokens)

    def _fail(self, failure: Failure) -> None:
        if self.failure is None:
            self.failure = failure
            self.broken.set()


def _budget(spent: Spent) -> Failure:
    actions = {
        "job": "Narrow the plan, or start the fix again with a higher limit.",
        "project": "Start the fix again then, or raise the project's budget.",
    }
    reason = f"The budget of the {spent.whose} is spent: {spent.words}."
    return Failure(kind="budget", reason=reason, action=actions[spent.whose])


def _unavailable(reason: str) -> Failure:
    return Failure(
        kind="model_unavailable",
        reason=reason,
        action="Check that OPENAI_BASE_URL is right and the endpoint works; the job tries again by itself.",
    )


def _seconds(header: str | None) -> float:
    try:
        return max(float(header or 0), 0.0)
    except ValueError:
        return 0.0


def _unix_listener(path: Path) -> socket.socket:
    """Bound through the folder's descriptor: the path of a unix socket may have only 107 bytes (unix(7))."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        path.unlink(missing_ok=True)  # of the agent's round before
        listener = socket.socket(socket.AF_UNIX)
        listener.setblocking(False)
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.chmod(path, 0o600)
    finally:
        os.close(folder)
    return listener
