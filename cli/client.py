"""The gateway's HTTP as the command needs it: JSON calls and server-sent events, problems turned into CliError."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from cli.context import Target
from cli.errors import CliError, Exit, exit_for_status

PAGE = 200


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

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """The decoded JSON answer (or text); raises CliError for problems and when nobody answers."""
        return (await self._call(method, path, **options))[0]

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: Any = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = 60.0,
    ) -> tuple[Any, Mapping[str, str]]:
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
                if response.content_type == "text/event-stream":
                    raise CliError(
                        f"{path} is a stream that does not end",
                        next_step="soulcaster watch JOB, or soulcaster logs -f JOB",
                        code=Exit.USAGE,
                    )
                text = await response.text(errors="replace")
                if response.status >= 400:
                    raise _problem(response.status, text)
                return (_decoded(text) if "json" in response.content_type else text), response.headers
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from error

    async def pages(self, path: str, *, limit: int, params: dict[str, str] | None = None) -> list[Any]:
        """The first ``limit`` rows of a list, page by page; of kept lists that are bare arrays, and of ``items``."""
        rows: list[Any] = []
        cursor: str | None = None
        while len(rows) < limit:
            query = {**(params or {}), "limit": str(min(limit - len(rows), PAGE))} | (
                {"cursor": cursor} if cursor else {}
            )
            answer, headers = await self._call("GET", path, params=query)
            if isinstance(answer, dict):
                rows += answer.get("items", [])
                cursor = answer.get("next_cursor")
            else:
                rows += answer
                cursor = headers.get("X-Next-Cursor")
            if not cursor:
                break
        return rows[:limit]

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
                    if response.status == 204:
                        return  # nothing will follow
                    async for event in _parse(response.content):
                        failures = 0
                        last = event.id or last
                        yield event
                        if event.name == "end":
                            return
            except (aiohttp.ClientError, TimeoutError) as error:
                failures += 1
                if failures > 30:
                    raise self._unreachable(error) from error
            await asyncio.sleep(min(0.2 * 2**failures, 2.0))

    def _unreachable(self, error: BaseException) -> CliError:
        reason = getattr(error, "os_error", None)
        why = (reason.strerror if reason is not None else None) or str(error) or "it took too long"
        return CliError(
            f"no answer from {self.target.gateway}",
            why=why,
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


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CliError(
            "the answer is not JSON", why=str(error), next_step="is that address a gateway's? soulcaster context list"
        ) from error


def _problem(status: int, text: str) -> CliError:
    """An answer above 399 as an error: what is wrong first, then the fields, then what to do."""
    try:
        problem = json.loads(text)
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    detail = str(problem.get("detail") or text[:300]).strip()
    first, _, rest = detail.partition(". ")
    fields = [f"{error.get('field')}: {error.get('reason')}" for error in _errors(problem)]
    fields = [line for line in fields if line != detail]
    title = str(problem.get("title") or "Error")
    about = [rest, *fields, f"Job {problem['job_id']}" if problem.get("job_id") else "", f"HTTP {status} {title}"]
    return CliError(
        first.rstrip(".") or f"the gateway answered {status}",
        why="\n  ".join(line for line in about if line),
        next_step=_hint(status, problem),
        code=exit_for_status(status),
        request_id=str(problem.get("request_id") or ""),
        kind=str(problem.get("code") or ""),
    )


def _errors(problem: dict[str, Any]) -> list[dict[str, Any]]:
    errors = problem.get("errors")
    return [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []


_LISTS = {
    "Cluster": "soulcaster clusters", "Job": "soulcaster jobs", "Project": "soulcaster projects",
    "Dead letter": "soulcaster dead-letters list", "Key": "soulcaster keys list",
}  # fmt: skip


def _hint(status: int, problem: dict[str, Any]) -> str:
    if problem.get("action"):
        return str(problem["action"])
    detail = str(problem.get("detail") or "")
    if status == 404:
        listed = [command for what, command in _LISTS.items() if detail.lower().startswith(what.lower() + " not found")]
        return f"{listed[0]} shows those there are" if listed else ""
    if status == 401:
        return "give a key with --api-key, SOULCASTER_API_KEY or `soulcaster context add`; `soulcaster up` prints one"
    if problem.get("code") == "repository_unknown":
        return "name it with --repo URL"
    if problem.get("code") == "similar_work_open":
        return "look at those first; --force goes on"
    if status == 409 and problem.get("job_id"):
        return f"soulcaster watch {problem['job_id']}"
    if problem.get("retryable"):
        return "the same command again in a moment"
    return ""
