"""GitHub through PyGithub, in threads. A request whose outcome is unknown is never repeated blindly: look, then act.

GitHub's REST reference, "Pulls": the head filter needs ``owner:branch``; a second open pull request of one head answers
422 "A pull request already exists". Rate limits: REST "best practices" (primary 403 with reset, secondary 403 or 429).
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import urlsplit

import requests
from github import Auth, Github, GithubException, GithubRetry
from github.PullRequest import PullRequest
from github.Repository import Repository

from runner_core.protocols import ForgeError, Pull, PullDraft
from runner_core.pull_text import marker
from schemas.attempts import RunnerTask
from schemas.errors import Failure

T = TypeVar("T")
LOOK_SECONDS: Final = 60.0
LONGEST_WAIT: Final = 600
_UNKNOWN: Final = (requests.ConnectionError, requests.Timeout)
_REPOSITORY: Final = re.compile(r"^/([A-Za-z0-9_.-]+)/([A-Za-z0-9_.-]+?)(?:\.git)?/?\Z")


class GithubForge:
    """Opens draft pull requests on github.com or the GitHub Enterprise Server behind ``api_url``.

    ``look_seconds`` is how long a pull request is looked for after a creation whose outcome is unknown.
    """

    name = "github"

    def __init__(self, api_url: str = "https://api.github.com", *, look_seconds: float = LOOK_SECONDS) -> None:
        self._api_url, self._look_seconds = api_url.rstrip("/"), look_seconds

    def handles(self, repo_url: str) -> bool:
        parts = urlsplit(repo_url)
        return parts.scheme in ("http", "https") and _REPOSITORY.match(parts.path) is not None

    async def find(self, task: RunnerTask, token: str | None) -> Pull | None:
        return await self._call(task, token, lambda repository: _find(repository, task))

    async def open(self, task: RunnerTask, draft: PullDraft, token: str | None) -> Pull:
        for last in (False, True):
            found = await self.find(task, token)
            if found is not None:
                return found
            try:
                return await self._call(task, token, lambda repository: _create(repository, task, draft))
            except _Unknown as unknown:
                found = await self._look(task, token)
                if found is not None:
                    return found
                if last:
                    raise _infrastructure(task, str(unknown)) from unknown
        raise AssertionError("unreachable")

    async def _look(self, task: RunnerTask, token: str | None) -> Pull | None:
        """GitHub's lists lag behind its writes: look again, ever less often, before anything is asked twice."""
        waited, pause = 0.0, min(1.0, self._look_seconds / 4)
        while waited < self._look_seconds:
            await asyncio.sleep(pause)
            waited, pause = waited + pause, pause * 2
            try:
                found = await self.find(task, token)
            except ForgeError:
                continue
            if found is not None:
                return found
        return None

    async def _call(self, task: RunnerTask, token: str | None, act: Callable[[Repository], T]) -> T:
        match = _REPOSITORY.match(urlsplit(task.repo_url).path)
        if token is None or match is None:
            raise ForgeError(_no_token(task))
        try:
            return await asyncio.to_thread(self._with_repository, f"{match[1]}/{match[2]}", token, act)
        except GithubException as error:
            raise ForgeError(_explain(error, task)) from error
        except _UNKNOWN as error:
            raise _infrastructure(task, str(error)) from error

    def _with_repository(self, name: str, token: str, act: Callable[[Repository], T]) -> T:
        # Forbidden and too-many answers are waited out as they ask; a 5xx is not repeated, its outcome is unknown.
        retry = GithubRetry(total=6, status_forcelist=[403, 429], max_rate_limit_wait=LONGEST_WAIT)
        client = Github(auth=Auth.Token(token), base_url=self._api_url, retry=retry, timeout=20)
        try:
            return act(client.get_repo(name, lazy=True))
        finally:
            client.close()


class _Unknown(Exception):
    """A creation that may or may not have happened."""


def _find(repository: Repository, task: RunnerTask) -> Pull | None:
    owner = repository.full_name.split("/")[0]
    for pull in repository.get_pulls(state="all", head=f"{owner}:{task.branch}", base=task.base_branch):
        if marker(task.job_id) in (pull.body or "").splitlines():
            return _pull(pull)
    return None


def _create(repository: Repository, task: RunnerTask, draft: PullDraft) -> Pull:
    try:
        made = repository.create_pull(base=draft.base, head=draft.head, title=draft.title, body=draft.body, draft=True)
    except GithubException as error:
        if error.status >= 500:
            raise _Unknown(f"GitHub answered {error.status}") from error
        if error.status == 422 and "already exists" in str(error.data):
            raise _Unknown("GitHub says that the pull request exists") from error
        raise
    except _UNKNOWN as error:
        raise _Unknown(str(error)) from error
    return _pull(made)


def _pull(pull: PullRequest) -> Pull:
    return Pull(url=pull.html_url, number=str(pull.number), state=pull.state)


def _no_token(task: RunnerTask) -> Failure:
    return Failure(
        kind="repository",
        reason=f"There is no GitHub token for {task.repo_url}.",
        action="Send one with the request (X-GitHub-Token), or set GITHUB_TOKEN for the runner.",
    )


def _explain(error: GithubException, task: RunnerTask) -> Failure:
    said = error.data.get("message", "") if isinstance(error.data, dict) else str(error.data or "")
    detail = f"{error.status} {said} {error.data if isinstance(error.data, dict) else ''}"[:2000]
    if error.status in (401, 403, 404):
        reason = f"GitHub does not let this token open a pull request in {task.repo_url}."
        action = "Give a token with contents and pull requests read and write for this repository."
        return Failure(kind="repository", reason=reason, action=action, detail=detail)
    if error.status == 422:
        reason, action = (
            f"GitHub refused the pull request: {said}.",
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
