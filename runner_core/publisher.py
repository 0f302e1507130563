"""Puts a patch on one branch, named after the job, and opens one draft pull request. Every step may be repeated.

The commit is made here, from the agent's tree on the real base commit, with dates of the plan: a repeated
attempt with the same tree makes the same commit. The branch is pushed with a lease, and only over a commit that carries
this job's marker.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner_core import pull_text
from runner_core.git import Credentials, Git, GitError
from runner_core.patch import Patch
from runner_core.protocols import Followed, Forge, ForgeError, Pull, PullDraft, Target, Tell, untold
from runner_core.source import Base, remote_url
from schemas.attempts import RunnerTask
from schemas.errors import Failure
from schemas.jobs import Report, Usage

PREFIX = "soulcaster/"
PUSH_TRIES = 4
REFUSED = re.compile(
    r"returned error: 40[134]\b|Permission .*denied|Authentication failed|could not read (?:Username|Password)"
    r"|terminal prompts disabled|[Rr]epository .*not found|Permission to|Write access"
)
MEANWHILE = re.compile(r"stale info|cannot lock ref|reference already exists")  # somebody pushed just now; look again
_PERSON = {"GIT_AUTHOR_NAME": "Soulcaster", "GIT_AUTHOR_EMAIL": "fixes@soulcaster.invalid"}
_COMMITTER = {"GIT_COMMITTER_NAME": "Soulcaster", "GIT_COMMITTER_EMAIL": "fixes@soulcaster.invalid"}


@dataclass(frozen=True, slots=True)
class Published:
    """The branch, and the pull request that carries the job's marker."""

    branch: str
    pull: Pull


class Publisher:
    """Publishes to the first forge that handles the repository. ``pause``: seconds before a failed push is repeated."""

    def __init__(self, forges: Sequence[Forge], pause: float = 2.0) -> None:
        self._forges, self._pause = forges, pause

    async def publish(
        self,
        task: RunnerTask,
        base: Base,
        patch: Patch,
        report: Report,
        usage: Usage,
        token: str | None,
        scratch: Path,
        tell: Tell = untold,
    ) -> Published:
        """Push and open; a pull request of this job that exists, in any state, is adopted. Raises ForgeError."""
        forge = self._forge(task.repo_url)
        if not task.branch.startswith(PREFIX) or task.branch == task.base_branch:
            raise _failed(f"{task.branch!r} is no branch of ours.", "This is a defect of Soulcaster; report it.")
        target = await forge.target(task, token, tell)
        found = await forge.find(task, target, token, tell)
        if found is not None and found.state != "open":
            return Published(task.branch, found)
        own = await forge.credential(target.repo_url, token, "publish", tell)
        git = Git(base.git.folder, Credentials.write(scratch / "push", own) if own else None)
        try:
            commit = await _commit(base, patch, task)
        except GitError as error:
            raise _explain(error, task, target) from error
        await self._pushed(git, task, target, commit)
        text = pull_text.body(task, report, usage)
        draft = PullDraft(task.branch, task.base_branch, commit, pull_text.title(task), text)
        return Published(task.branch, found or await forge.open(task, target, draft, token, tell))

    async def followed(self, task: RunnerTask, token: str | None, tell: Tell = untold) -> Followed:
        """The pull request that a follow-up is about. Raises ForgeError."""
        return await self._forge(task.repo_url).followed(task, token, tell)

    async def add(
        self,
        task: RunnerTask,
        base: Base,
        patch: Patch,
        followed: Followed,
        token: str | None,
        scratch: Path,
        tell: Tell = untold,
    ) -> Published:
        """One more commit on top of the pull request's branch as it was fetched. Raises ForgeError.

        The lease names the very commit that ours is built on: whoever pushed meanwhile is never overwritten.
        """
        target = followed.target
        if not target.branch.startswith(PREFIX):
            raise _failed(f"{target.branch!r} is no branch of ours.", "This is a defect of Soulcaster; report it.")
        own = await self._forge(task.repo_url).credential(target.repo_url, token, "publish", tell)
        git = Git(base.git.folder, Credentials.write(scratch / "push", own) if own else None)
        try:
            commit = await _commit(base, patch, task)
        except GitError as error:
            raise _explain(error, task, target) from error
        await self._pushed(git, task, target, commit, on=base.commit)
        return Published(target.branch, followed.pull)

    async def credential(
        self, repo_url: str, given: str | None, purpose: Literal["fetch", "publish"], tell: Tell = untold
    ) -> str | None:
        """What git is to use for the repository. Raises ForgeError."""
        forge = self._of(repo_url)
        return given if forge is None else await forge.credential(repo_url, given, purpose, tell)

    def at_work(self, repo_url: str) -> AbstractAsyncContextManager[None]:
        """Around an attempt: tokens that a forge made for it end after the last one."""
        forge = self._of(repo_url)
        return nullcontext() if forge is None else forge.at_work(repo_url)

    async def _pushed(self, git: Git, task: RunnerTask, target: Target, commit: str, on: str | None = None) -> None:
        """A push that broke off may have been done; the next one looks first, so repeating is safe."""
        pause = self._pause
        for left in reversed(range(PUSH_TRIES)):
            try:
                return await _push(git, task, target, commit, on)
            except GitError as error:
                explained = _explain(error, task, target)
                if not left or explained.failure.kind != "infrastructure":
                    raise explained from error
            await asyncio.sleep(pause)
            pause *= 2

    def _of(self, repo_url: str) -> Forge | None:
        return next((forge for forge in self._forges if forge.handles(repo_url)), None)

    def _forge(self, repo_url: str) -> Forge:
        forge = self._of(repo_url)
        if forge is not None:
            return forge
        raise _failed(
            f"No forge is known for {repo_url[:200]}.",
            "Use a GitHub repository, or a repository on this machine given as a path or file:// URL.",
        )


async def _commit(base: Base, patch: Patch, task: RunnerTask) -> str:
    moment = task.follow_up.since if task.follow_up else task.plan.created_at
    at = f"{int(moment.timestamp())} +0000"
    environ = {**_PERSON, **_COMMITTER, "GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
    git = Git(base.git.folder, environ=environ)
    arguments = ("commit-tree", f"{patch.commit}^{{tree}}", "-p", base.commit, "-F", "-")
    return (await git(*arguments, stdin=pull_text.commit_message(task).encode())).decode().strip()


async def _push(git: Git, task: RunnerTask, target: Target, commit: str, on: str | None) -> None:
    """Push with a lease on what is there now: nothing, this very commit, or an earlier commit of this job.

    ``on``: the commit that ours stands on; nothing else may be there.
    """
    url, ref = remote_url(target.repo_url), f"refs/heads/{target.branch}"
    listed = await git.text("ls-remote", url, ref)
    there = listed.split()[0] if listed else ""
    if there == commit:
        return
    if on is not None and there != on:
        raise ForgeError(_moved(target, there))
    if there and on is None:
        await git("fetch", "-q", "--no-tags", url, ref)
        message = await git.text("log", "-1", "--format=%B", there)
        if pull_text.marker(task.job_id) not in message.splitlines():
            raise _failed(
                f"Branch {task.branch} exists and holds a commit that this job did not write.",
                "Look at that branch; delete or rename it if it is not needed, then retry the job.",
            )
    lease = f"--force-with-lease={ref}:{there}"
    await git("push", "-q", "--no-verify", lease, url, f"{commit}:{ref}", timeout=300)


def _moved(target: Target, there: str) -> Failure:
    if not there:
        reason, action = f"Branch {target.branch} was deleted.", "There is nothing to do; start another fix."
        return Failure(kind="repository", reason=reason, action=action)
    reason = f"Somebody pushed {there[:12]} to {target.branch} while the agent worked."
    return Failure(kind="infrastructure", reason=reason, action="It is tried again, on top of that commit.")


def _explain(error: GitError, task: RunnerTask, target: Target) -> ForgeError:
    said = error.detail
    if REFUSED.search(said):
        return _failed(
            f"The branch cannot be pushed to {target.repo_url}.",
            "Give a token that may write contents and pull requests of this repository (X-GitHub-Token).",
            said,
        )
    if "rejected" in said and not MEANWHILE.search(said):
        return _failed(f"The repository refused branch {task.branch}.", "Read the reason, then retry the job.", said)
    action = "It is tried again; if it stays, check that the repository's server answers."
    reason = "The branch could not be pushed."
    return ForgeError(Failure(kind="infrastructure", reason=reason, action=action, detail=said[:2000]))


def _failed(reason: str, action: str, detail: str = "") -> ForgeError:
    return ForgeError(Failure(kind="repository", reason=reason, action=action, detail=detail[:2000]))
