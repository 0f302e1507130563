"""The gateway's HTTP as the command needs it: JSON calls and server-sent events, problems turned into CliError."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from cli.context import Target
from cli.errors import CliError, Exit, exit_for_status


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    id: str
    name: str
    data: str


class Gateway:
    """One session with one gateway. Use as an async context manager."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Gateway":
        headers = {"User-Agent": "soulcaster-cli", "Accept": "application/json"}
        if self.target.api_key:
            headers["Authorization"] = f"Bearer {self.target.api_key}"
        self._session = aiohttp.ClientSession(headers=headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Any = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = 60.0,
    ) -> Any:
        """The decoded JSON answer (or text); raises CliError for problems and when nobody answers."""
        assert self._session is not None
        query = {"project_id": self.target.project, **(params or {})}
        try:
            async with self._session.request(
                method,
                self.target.gateway + path,
                params=query,
                json=body,
                data=data,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as response:
                text = await response.text(errors="replace")
                if response.status >= 400:
                    raise _problem(response.status, text)
                return json.loads(text) if "json" in response.content_type else text
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise self._unreachable(error) from error

    async def events(self, path: str, *, after: str | None = None) -> AsyncIterator[Event]:
        """Server-sent events until ``event: end``; reconnects with the last id when the connection breaks."""
        assert self._session is not None
        last, failures = after, 0
        while True:
            headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
            try:
                async with self._session.get(
                    self.target.gateway + path,
                    params={"project_id": self.target.project},
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60),
                ) as response:
                    if response.status >= 400:
                        raise _problem(response.status, await response.text(errors="replace"))
                    async for event in _parse(response.content):
                        failures = 0
                        last = event.id or last
                        yield event
                        if event.name == "end":
                            return
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
                failures += 1
                if failures > 30:
                    raise self._unreachable(error) from error
            await asyncio.sleep(min(0.2 * 2**failures, 2.0))

    def _unreachable(self, error: BaseException) -> CliError:
        return CliError(
            f"no answer from {self.target.gateway}",
            why=str(error) or type(error).__name__,
            next_step="start it with `soulcaster up`, or name another with --gateway",
            code=Exit.UNAVAILABLE,
        )


async def _parse(stream: aiohttp.StreamReader) -> AsyncIterator[Event]:
    """Events of the HTML living standard, section 9.2 (fields id, event, data; comments skipped)."""
    identity, name, data = "", "message", list[str]()
    buffer = b""
    async for chunk in stream.iter_any():
        *lines, buffer = (buffer + chunk).split(b"\n")
        for raw in lines:
            line = raw.decode("utf-8", "replace").rstrip("\r")
            if not line:
                if data or name != "message":
                    yield Event(identity, name, "\n".join(data))
                name, data = "message", []
                continue
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "id":
                identity = value
            elif field == "event":
                name = value
            elif field == "data":
                data.append(value)


def _problem(status: int, text: str) -> CliError:
    try:
        problem = json.loads(text)
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    fields = "; ".join(
        f"{e.get('field') or e.get('path')}: {e.get('message') or e.get('detail')}" for e in _errors(problem)
    )
    detail = str(problem.get("detail") or text[:300])
    return CliError(
        str(problem.get("title") or f"the gateway answered {status}"),
        why=detail + (f" ({fields})" if fields else "") + _job(problem),
        next_step=_hint(status, problem),
        code=exit_for_status(status),
        request_id=str(problem.get("request_id") or ""),
    )


def _errors(problem: dict[str, Any]) -> list[dict[str, Any]]:
    errors = problem.get("errors")
    return [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []


def _job(problem: dict[str, Any]) -> str:
    return f" (job {problem['job_id']})" if problem.get("job_id") else ""


def _hint(status: int, problem: dict[str, Any]) -> str:
    if problem.get("action"):
        return str(problem["action"])
    if status in (401, 403):
        return "give a key with --api-key or SOULCASTER_API_KEY; `soulcaster up` prints one"
    if status == 409 and problem.get("job_id"):
        return f"soulcaster logs -f {problem['job_id']}"
    if problem.get("retryable"):
        return "the same command again in a moment"
    return ""
