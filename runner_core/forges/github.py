"""GitHub through PyGithub. A creation whose outcome is unknown is never repeated blindly: look, then act.

GitHub's REST reference, "Pulls": the head filter needs ``owner:branch``; a second open pull request of one head answers
422 "A pull request already exists".
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final, Protocol, TypeVar
from urllib.parse import urlsplit

from github import Auth, Github, GithubException
from github.PullRequest import PullRequest
from github.Repository import Repository

from runner_core.forges.github_app import GithubApp, Purpose
from runner_core.forges.github_calls import (
    UNKNOWN,
    Calls,
    Explain,
    Who,
    answered,
    detail_of,
    repository_of,
    said,
)
from runner_core.forges.github_forks import Forks
from runner_core.forges.github_reviews import follow
from runner_core.protocols import Followed, ForgeError, Pull, PullDraft, Target, Tell, untold
from runner_core.pull_text import marker
from schemas.attempts import RunnerTask
from schemas.errors import Failure
from schemas.jobs import ForkMode

T = TypeVar("T")
LOOK_SECONDS: Final = 60.0
LONGEST_WAIT: Final = 7200.0


class Doing(Protocol):
    """One of the three ways to call: once, repeated, or spaced."""

    async def __call__(
        self, who: Who, act: Callable[[Github], T], explain: Explain, silent: Failure, tell: Tell
    ) -> T: ...


class GithubForge:
    """Opens draft pull requests on github.com or the GitHub Enterprise Server behind ``api_url``.

    All in seconds: ``look`` is how long a pull request is looked for after a creation whose outcome is unknown,
    ``longest_wait`` what GitHub may ask us to wait, ``pause`` the first pause between repeated readings, ``spacing``
    lies between two creations, ``timeout`` is the longest silence of one request. ``app``: (id, private key) of the
    GitHub App whose tokens are used where no token is given. ``fork``: what to do where a job does not say, when the
    token may not write to the repository.
    """

    name = "github"

    def __init__(
        self,
        api_url: str = "https://api.github.com",
        *,
        app: tuple[str, str] | None = None,
        fork: ForkMode = "never",
        look: float = LOOK_SECONDS,
        longest_wait: float = LONGEST_WAIT,
        pause: float = 0.5,
        spacing: float = 1.0,
        timeout: int = 20,
    ) -> None:
        self._calls = Calls(api_url, longest_wait=longest_wait, timeout=timeout, pause=pause, spacing=spacing)
        self._app = GithubApp(app[0], app[1], self._calls) if app else None
        self._forks, self._fork, self._look_seconds = Forks(self._calls, look), fork, look

    def handles(self, repo_url: str) -> bool:
        return repository_of(repo_url) is not None

    async def credential(self, repo_url: str, given: str | None, purpose: Purpose, tell: Tell = untold) -> str | None:
        name = repository_of(repo_url)
        if given is None and name is not None and self._app is not None and self._app.serves(repo_url):
            return await self._app.token(name, purpose, tell)
        return given

    def at_work(self, repo_url: str) -> AbstractAsyncContextManager[None]:
        name = repository_of(repo_url)
        return nullcontext() if self._app is None or name is None else self._app.at_work(name)

    async def target(self, task: RunnerTask, token: str | None, tell: Tell = untold) -> Target:
        """A fork only with a person's token, and where that was allowed: an App cannot fork, and others see a fork."""
        name, own = repository_of(task.repo_url) or "", Target(task.repo_url, task.branch, _owner(task))
        if token is None or (task.fork or self._fork) != "auto":
            return own
        fork = await self._forks.of(name, token, tell)
        if fork is None:
            return own
        parts = urlsplit(task.repo_url)
        return Target(f"{parts.scheme}://{parts.netloc}/{fork}.git", task.branch, fork.split("/")[0], forked=True)

    async def find(self, task: RunnerTask, target: Target, token: str | None, tell: Tell = untold) -> Pull | None:
        """Repeated while GitHub does not answer: reading changes nothing."""
        return await self._call(self._calls.read, task, token, tell, lambda repository: _find(repository, task, target))

    async def open(
        self, task: RunnerTask, target: Target, draft: PullDraft, token: str | None, tell: Tell = untold
    ) -> Pull:
        for last in (False, True):
            found = await self.find(task, target, token, tell)
            if found is not None:
                return found
            try:
                return await self._call(
                    self._calls.write, task, token, tell, lambda repository: _create(repository, target, draft)
                )
            except _Unknown as unknown:
                await tell(f"{unknown}; looking for the pull request before asking again")
                found = await self._look(task, target, token, tell)
                if found is not None:
                    return found
                if last:
                    raise ForgeError(_silent(task, str(unknown))) from unknown
        raise AssertionError("unreachable")

    async def followed(self, task: RunnerTask, token: str | None, tell: Tell = untold) -> Followed:
        return await self._call(self._calls.read, task, token, tell, lambda repository: follow(repository, task))

    async def _look(self, task: RunnerTask, target: Target, token: str | None, tell: Tell) -> Pull | None:
        """GitHub's lists lag behind its writes: look again, ever less often, before anything is asked twice."""
        waited, pause = 0.0, min(1.0, self._look_seconds / 4)
        while waited < self._look_seconds:
            await asyncio.sleep(pause)
            waited, pause = waited + pause, pause * 2
            try:
                found = await self.find(task, target, token, tell)
            except ForgeError as error:
                if error.failure.kind == "infrastructure":
                    continue
                raise
            if found is not None:
                return found
            await self._call(self._calls, task, token, tell, lambda repository: _no_stranger(repository, task, target))
        return None

    async def _call(
        self, how: Doing, task: RunnerTask, token: str | None, tell: Tell, act: Callable[[Repository], T]
    ) -> T:
        name = repository_of(task.repo_url)

        async def who() -> Auth.Auth:
            held = await self.credential(task.repo_url, token, "publish", tell)
            if held is None or name is None:
                raise ForgeError(_no_token(task))
            return Auth.Token(held)

        def within(client: Github) -> T:
            return act(client.get_repo(name or ""))

        return await how(who, within, lambda e: _explain(e, task), _silent(task), tell)


class _Unknown(Exception):
    """A creation that may or may not have happened."""


def _owner(task: RunnerTask) -> str:
    return (repository_of(task.repo_url) or "").split("/")[0]


def _of_branch(repository: Repository, task: RunnerTask, target: Target, state: str) -> list[PullRequest]:
    return list(repository.get_pulls(state=state, head=f"{target.owner}:{target.branch}", base=task.base_branch))


def _ours(pull: PullRequest, task: RunnerTask) -> bool:
    return marker(task.job_id) in (pull.body or "").splitlines()


def _find(repository: Repository, task: RunnerTask, target: Target) -> Pull | None:
    return next((_pull(pull) for pull in _of_branch(repository, task, target, "all") if _ours(pull, task)), None)


def _no_stranger(repository: Repository, task: RunnerTask, target: Target) -> None:
    for pull in _of_branch(repository, task, target, "open"):
        if not _ours(pull, task):
            reason = f"Branch {task.branch} has pull request {pull.html_url}, which this job did not open."
            raise ForgeError(Failure(kind="repository", reason=reason, action="Close it, then retry the job."))


def _create(repository: Repository, target: Target, draft: PullDraft) -> Pull:
    try:
        made = repository.create_pull(base=draft.base, head=target.head, title=draft.title, body=draft.body, draft=True)
    except GithubException as error:
        if error.status >= 500:
            raise _Unknown(f"GitHub answered {error.status}") from error
        if error.status == 422 and "already exists" in str(error.data):
            raise _Unknown("GitHub says that the pull request exists") from error
        raise
    except UNKNOWN as error:
        raise _Unknown("GitHub did not answer") from error
    return _pull(made)


def _pull(pull: PullRequest) -> Pull:
    return Pull(url=pull.html_url, number=str(pull.number), state=pull.state)


def _no_token(task: RunnerTask) -> Failure:
    return Failure(
        kind="repository",
        reason=f"There is no GitHub token for {task.repo_url}.",
        action="Send one with the request (X-GitHub-Token), or set GITHUB_APP_ID or GITHUB_TOKEN for the runner.",
    )


def _explain(error: GithubException, task: RunnerTask) -> Failure:
    words = said(error)
    if error.status in (401, 403, 404):
        reason = f"GitHub does not let this token open a pull request in {task.repo_url}."
        action = "Give a token with contents and pull requests read and write for this repository."
        return Failure(kind="repository", reason=reason, action=action, detail=detail_of(error))
    if error.status == 422:
        reason = f"GitHub refused the pull request: {words.rstrip('.')}."
        action = "Read the reason; draft pull requests must be allowed."
        return Failure(kind="repository", reason=reason, action=action, detail=detail_of(error))
    return answered(error)


def _silent(task: RunnerTask, detail: str = "") -> Failure:
    reason = f"GitHub did not say whether the pull request of {task.branch} was opened."
    action = "It is looked for and tried again."
    return Failure(kind="infrastructure", reason=reason, action=action, detail=detail[:2000])
