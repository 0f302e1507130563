"""GitHub through PyGithub, in threads. A request whose outcome is unknown is never repeated blindly: look, then act.

GitHub's REST reference, "Pulls": the head filter needs ``owner:branch``; a second open pull request of one head answers
422 "A pull request already exists". "Best practices": a limit is told by 403 or 429 with ``retry-after``, or by
``x-ratelimit-remaining: 0`` and ``x-ratelimit-reset``, else wait a minute; at most one request a second that writes.
"""

import asyncio
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from urllib.parse import urlsplit

import requests
from github import Auth, Github, GithubException
from github.PullRequest import PullRequest
from github.Repository import Repository

from runner_core.protocols import ForgeError, Pull, PullDraft, Tell, untold
from runner_core.pull_text import marker
from runtime.logs import logger
from schemas.attempts import RunnerTask
from schemas.errors import Failure

T = TypeVar("T")
log = logger("runner.github")
LOOK_SECONDS: Final = 60.0
LONGEST_WAIT: Final = 7200.0
NO_TIME_GIVEN: Final = 60.0
READ_TRIES: Final = 5
_UNKNOWN: Final = (requests.ConnectionError, requests.Timeout)
_REPOSITORY: Final = re.compile(r"^/([A-Za-z0-9_.-]+)/([A-Za-z0-9_.-]+?)(?:\.git)?/?\Z")


class GithubForge:
    """Opens draft pull requests on github.com or the GitHub Enterprise Server behind ``api_url``.

    All in seconds: ``look`` is how long a pull request is looked for after a creation whose outcome is unknown,
    ``longest_wait`` what GitHub may ask us to wait, ``pause`` the first pause between repeated readings, ``spacing``
    lies between two creations, ``timeout`` is the longest silence of one request.
    """

    name = "github"

    def __init__(
        self,
        api_url: str = "https://api.github.com",
        *,
        look: float = LOOK_SECONDS,
        longest_wait: float = LONGEST_WAIT,
        pause: float = 0.5,
        spacing: float = 1.0,
        timeout: int = 20,
    ) -> None:
        self._api_url, self._look_seconds, self._longest_wait = api_url.rstrip("/"), look, longest_wait
        self._pause, self._spacing, self._timeout = pause, spacing, timeout
        self._writing = asyncio.Lock()
        self._wrote = -spacing

    def handles(self, repo_url: str) -> bool:
        parts = urlsplit(repo_url)
        return parts.scheme in ("http", "https") and _REPOSITORY.match(parts.path) is not None

    async def find(self, task: RunnerTask, token: str | None, tell: Tell = untold) -> Pull | None:
        """Repeated while GitHub does not answer: reading changes nothing."""
        pause = self._pause
        for left in reversed(range(READ_TRIES)):
            try:
                return await self._call(task, token, tell, lambda repository: _find(repository, task))
            except ForgeError as error:
                if not left or error.failure.kind != "infrastructure" or isinstance(error, _LimitedForTooLong):
                    raise
            await asyncio.sleep(pause)
            pause *= 2
        raise AssertionError("unreachable")

    async def open(self, task: RunnerTask, draft: PullDraft, token: str | None, tell: Tell = untold) -> Pull:
        for last in (False, True):
            found = await self.find(task, token, tell)
            if found is not None:
                return found
            try:
                return await self._create(task, draft, token, tell)
            except _Unknown as unknown:
                await tell(f"{unknown}; looking for the pull request before asking again")
                found = await self._look(task, token, tell)
                if found is not None:
                    return found
                if last:
                    raise _infrastructure(task, str(unknown)) from unknown
        raise AssertionError("unreachable")

    async def _create(self, task: RunnerTask, draft: PullDraft, token: str | None, tell: Tell) -> Pull:
        async with self._writing:
            await asyncio.sleep(max(self._wrote + self._spacing - time.monotonic(), 0.0))
            try:
                return await self._call(task, token, tell, lambda repository: _create(repository, draft))
            finally:
                self._wrote = time.monotonic()

    async def _look(self, task: RunnerTask, token: str | None, tell: Tell) -> Pull | None:
        """GitHub's lists lag behind its writes: look again, ever less often, before anything is asked twice."""
        waited, pause = 0.0, min(1.0, self._look_seconds / 4)
        while waited < self._look_seconds:
            await asyncio.sleep(pause)
            waited, pause = waited + pause, pause * 2
            try:
                found = await self.find(task, token, tell)
            except ForgeError as error:
                if error.failure.kind == "infrastructure":
                    continue
                raise
            if found is not None:
                return found
            await self._call(task, token, tell, lambda repository: _no_stranger(repository, task))
        return None

    async def _call(self, task: RunnerTask, token: str | None, tell: Tell, act: Callable[[Repository], T]) -> T:
        """Once, but for limits: those say that nothing was done, and when to come again."""
        match = _REPOSITORY.match(urlsplit(task.repo_url).path)
        if token is None or match is None:
            raise ForgeError(_no_token(task))
        left = self._longest_wait
        while True:
            try:
                return await asyncio.to_thread(self._with_repository, f"{match[1]}/{match[2]}", token, act)
            except GithubException as error:
                wait = _asked_to_wait(error)
                if wait is None:
                    raise ForgeError(_explain(error, task)) from error
                if wait > left:
                    raise _LimitedForTooLong(_limited(wait, error)) from error
            except _UNKNOWN as error:
                raise _infrastructure(task, str(error)) from error
            until = datetime.now(UTC) + timedelta(seconds=wait)
            await tell(f"waiting for GitHub until {until:%H:%M:%S} UTC: its rate limit is reached")
            log.info("github.waiting", job_id=task.job_id, seconds=round(wait))
            await asyncio.sleep(wait)
            left -= wait

    def _with_repository(self, name: str, token: str, act: Callable[[Repository], T]) -> T:
        # No retries in PyGithub: they repeat a POST that broke off after it was done, and wait inside a thread.
        client = Github(auth=Auth.Token(token), base_url=self._api_url, retry=None, timeout=self._timeout, lazy=True)
        try:
            return act(client.get_repo(name))
        finally:
            client.close()


class _Unknown(Exception):
    """A creation that may or may not have happened."""


class _LimitedForTooLong(ForgeError):
    """GitHub wants us to come again much later."""


def _asked_to_wait(error: GithubException) -> float | None:
    """Seconds, or None when the answer is no limit."""
    if error.status not in (403, 429):
        return None
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if (after := headers.get("retry-after", "")).isdigit():
        return float(after)
    reset = headers.get("x-ratelimit-reset", "")
    if headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        return max(float(reset) - time.time(), 0.0) + 1.0
    return NO_TIME_GIVEN if error.status == 429 or "rate limit" in _said(error).lower() else None


def _of_branch(repository: Repository, task: RunnerTask, state: str) -> list[PullRequest]:
    owner = repository.full_name.split("/")[0]
    return list(repository.get_pulls(state=state, head=f"{owner}:{task.branch}", base=task.base_branch))


def _ours(pull: PullRequest, task: RunnerTask) -> bool:
    return marker(task.job_id) in (pull.body or "").splitlines()


def _find(repository: Repository, task: RunnerTask) -> Pull | None:
    return next((_pull(pull) for pull in _of_branch(repository, task, "all") if _ours(pull, task)), None)


def _no_stranger(repository: Repository, task: RunnerTask) -> None:
    for pull in _of_branch(repository, task, "open"):
        if not _ours(pull, task):
            reason = f"Branch {task.branch} has pull request {pull.html_url}, which this job did not open."
            raise ForgeError(Failure(kind="repository", reason=reason, action="Close it, then retry the job."))


def _create(repository: Repository, draft: PullDraft) -> Pull:
    try:
        made = repository.create_pull(base=draft.base, head=draft.head, title=draft.title, body=draft.body, draft=True)
    except GithubException as error:
        if error.status >= 500:
            raise _Unknown(f"GitHub answered {error.status}") from error
        if error.status == 422 and "already exists" in str(error.data):
            raise _Unknown("GitHub says that the pull request exists") from error
        raise
    except _UNKNOWN as error:
        raise _Unknown("GitHub did not answer") from error
    return _pull(made)


def _pull(pull: PullRequest) -> Pull:
    return Pull(url=pull.html_url, number=str(pull.number), state=pull.state)


def _no_token(task: RunnerTask) -> Failure:
    return Failure(
        kind="repository",
        reason=f"There is no GitHub token for {task.repo_url}.",
        action="Send one with the request (X-GitHub-Token), or set GITHUB_TOKEN for the runner.",
    )


def _said(error: GithubException) -> str:
    """GitHub's own words: the message, and those of the single errors."""
    if not isinstance(error.data, dict):
        return str(error.data or "")
    errors = error.data.get("errors")
    parts = [str(e.get("message", "")) for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []
    return ": ".join(part for part in (str(error.data.get("message", "")), *parts) if part)


def _limited(wait: float, error: GithubException) -> Failure:
    until = datetime.now(UTC) + timedelta(seconds=wait)
    return Failure(
        kind="infrastructure",
        reason=f"GitHub's rate limit for this token is reached until {until:%Y-%m-%d %H:%M} UTC.",
        action="Retry the job then, or use another token.",
        detail=_said(error)[:2000],
    )


def _explain(error: GithubException, task: RunnerTask) -> Failure:
    said = _said(error)
    detail = f"{error.status} {said} {error.data if isinstance(error.data, dict) else ''}"[:2000]
    if error.status in (401, 403, 404):
        reason = f"GitHub does not let this token open a pull request in {task.repo_url}."
        action = "Give a token with contents and pull requests read and write for this repository."
        return Failure(kind="repository", reason=reason, action=action, detail=detail)
    if error.status == 422:
        reason, action = (
            f"GitHub refused the pull request: {said.rstrip('.')}.",
            "Read the reason; draft pull requests must be allowed.",
        )
        return Failure(kind="repository", reason=reason, action=action, detail=detail)
    return Failure(
        kind="infrastructure",
        reason=f"GitHub answered {error.status}.",
        action="It is tried again; see githubstatus.com if it stays.",
        detail=detail,
    )


def _infrastructure(task: RunnerTask, detail: str) -> ForgeError:
    reason = f"GitHub did not say whether the pull request of {task.branch} was opened."
    action = "It is looked for and tried again."
    return ForgeError(Failure(kind="infrastructure", reason=reason, action=action, detail=detail[:2000]))
