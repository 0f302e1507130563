"""Calls to GitHub through PyGithub, in threads: a limit is waited out, everything else is told at once.

GitHub's REST reference, "Best practices": a limit is told by 403 or 429 with ``retry-after``, or by
``x-ratelimit-remaining: 0`` and ``x-ratelimit-reset``, else wait a minute; at most one request a second that writes.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from urllib.parse import urlsplit

import requests
from github import Auth, Github, GithubException

from runner_core.protocols import ForgeError, Tell
from runtime.logs import logger
from schemas.errors import Failure

T = TypeVar("T")
log = logger("runner.github")
NO_TIME_GIVEN: Final = 60.0
READ_TRIES: Final = 5
UNKNOWN: Final = (requests.ConnectionError, requests.Timeout)
_REPOSITORY: Final = re.compile(r"^/([A-Za-z0-9_.-]+)/([A-Za-z0-9_.-]+?)(?:\.git)?/?\Z")
Explain = Callable[[GithubException], Failure]
Who = Callable[[], Awaitable[Auth.Auth]]  # asked before each request: a token may have ended while we waited


class LimitedForTooLong(ForgeError):
    """GitHub wants us to come again much later."""


class Unanswered(ForgeError):
    """GitHub did not answer: what was asked may or may not have happened."""


class Calls:
    """In seconds: ``longest_wait`` is what GitHub may ask us to wait, ``timeout`` the longest silence of one request,
    ``pause`` the first pause between repeated readings, ``spacing`` lies between two writings."""

    def __init__(
        self, api_url: str, *, longest_wait: float, timeout: int, pause: float = 0.5, spacing: float = 1.0
    ) -> None:
        self.api_url, self._longest_wait, self._timeout = api_url.rstrip("/"), longest_wait, timeout
        self._pause, self._spacing = pause, spacing
        self._writing = asyncio.Lock()
        self._wrote = -spacing

    async def read(self, who: Who, act: Callable[[Github], T], explain: Explain, silent: Failure, tell: Tell) -> T:
        """Repeated while GitHub does not answer: for what changes nothing, or may be done twice."""
        pause = self._pause
        for left in reversed(range(READ_TRIES)):
            try:
                return await self(who, act, explain, silent, tell)
            except ForgeError as error:
                if not left or error.failure.kind != "infrastructure" or isinstance(error, LimitedForTooLong):
                    raise
            await asyncio.sleep(pause)
            pause *= 2
        raise AssertionError("unreachable")

    async def write(self, who: Who, act: Callable[[Github], T], explain: Explain, silent: Failure, tell: Tell) -> T:
        """Once, a while after the last one."""
        async with self._writing:
            await asyncio.sleep(max(self._wrote + self._spacing - time.monotonic(), 0.0))
            try:
                return await self(who, act, explain, silent, tell)
            finally:
                self._wrote = time.monotonic()

    async def __call__(self, who: Who, act: Callable[[Github], T], explain: Explain, silent: Failure, tell: Tell) -> T:
        """Once, but for limits: those say that nothing was done, and when to come again.

        Raises ForgeError with ``explain``'s words for an error, Unanswered with ``silent``'s for no answer.
        """
        left = self._longest_wait
        while True:
            try:
                return await asyncio.to_thread(self._with_client, await who(), act)
            except GithubException as error:
                wait = asked_to_wait(error)
                if wait is None:
                    raise ForgeError(explain(error)) from error
                if wait > left:
                    raise LimitedForTooLong(_limited(wait, error)) from error
            except UNKNOWN as error:
                detail = str(error)[:2000]
                raise Unanswered(
                    Failure(kind=silent.kind, reason=silent.reason, action=silent.action, detail=detail)
                ) from error
            until = datetime.now(UTC) + timedelta(seconds=wait)
            await tell(f"waiting for GitHub until {until:%H:%M:%S} UTC: its rate limit is reached", until)
            log.info("github.waiting", seconds=round(wait))
            await asyncio.sleep(wait)
            await tell("asking GitHub again")
            left -= wait

    def _with_client(self, auth: Auth.Auth, act: Callable[[Github], T]) -> T:
        # No retries in PyGithub: they repeat a POST that broke off after it was done, and wait inside a thread.
        client = Github(auth=auth, base_url=self.api_url, retry=None, timeout=self._timeout, lazy=True)
        try:
            return act(client)
        finally:
            client.close()


def repository_of(repo_url: str) -> str | None:
    """``owner/name`` of an address on a GitHub server; None when it is no such address."""
    parts = urlsplit(repo_url)
    match = _REPOSITORY.match(parts.path) if parts.scheme in ("http", "https") else None
    return f"{match[1]}/{match[2]}" if match else None


def host_of(api_url: str) -> str:
    """The host whose repositories an API address is about: ``api.github.com`` is github.com's."""
    return (urlsplit(api_url).hostname or "").removeprefix("api.")


def asked_to_wait(error: GithubException) -> float | None:
    """Seconds, or None when the answer is no limit."""
    if error.status not in (403, 429):
        return None
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if (after := headers.get("retry-after", "")).isdigit():
        return float(after)
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        return max(float(reset) - time.time(), 0.0) + 1.0
    return NO_TIME_GIVEN if error.status == 429 or "rate limit" in said(error).lower() else None


def said(error: GithubException) -> str:
    """GitHub's own words: the message, and those of the single errors."""
    if not isinstance(error.data, dict):
        return str(error.data or "")
    errors = error.data.get("errors")
    parts = [str(e.get("message", "")) for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []
    return ": ".join(part for part in (str(error.data.get("message", "")), *parts) if part)


def detail_of(error: GithubException) -> str:
    """Status and answer, for those who look closely."""
    return f"{error.status} {said(error)} {error.data if isinstance(error.data, dict) else ''}"[:2000]


def answered(error: GithubException) -> Failure:
    """A server's fault, as a failure that is tried again."""
    return Failure(
        kind="infrastructure",
        reason=f"GitHub answered {error.status}.",
        action="It is tried again; see githubstatus.com if it stays.",
        detail=detail_of(error),
    )


def _limited(wait: float, error: GithubException) -> Failure:
    until = datetime.now(UTC) + timedelta(seconds=wait)
    return Failure(
        kind="infrastructure",
        reason=f"GitHub's rate limit for this token is reached until {until:%Y-%m-%d %H:%M} UTC.",
        action="Retry the job then, or use another token.",
        detail=said(error)[:2000],
        retry_at=until,
    )
