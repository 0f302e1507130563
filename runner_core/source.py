"""The repository on the host: a cached mirror, and one throw-away bare repository for each attempt.

An attempt's repository borrows the mirror's objects; what comes out of a sandbox is fetched into it and removed with
it. The agent gets a *snapshot*: one commit without parents that has the base commit's tree.
"""

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from runner_core.git import Credentials, Git, GitError
from schemas.errors import Failure

COMMIT = re.compile(r"^[0-9a-f]{40}([0-9a-f]{24})?\Z")
SNAPSHOT_ENV = {
    "GIT_AUTHOR_NAME": "Soulcaster",
    "GIT_AUTHOR_EMAIL": "base@soulcaster.invalid",
    "GIT_AUTHOR_DATE": "2000-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "Soulcaster",
    "GIT_COMMITTER_EMAIL": "base@soulcaster.invalid",
    "GIT_COMMITTER_DATE": "2000-01-01T00:00:00Z",
}
KEPT_PACKS = 4


class SourceError(Exception):
    """The repository does not give the base commit; ``failure`` is of class ``repository``."""

    def __init__(self, reason: str, action: str, detail: str = "") -> None:
        super().__init__(reason)
        self.failure = Failure(kind="repository", reason=reason, action=action, detail=detail)


@dataclass(frozen=True, slots=True)
class Base:
    """The base commit: ``git`` is the attempt's own bare repository, ``snapshot`` what the sandbox starts from.

    ``pack`` holds all objects of the snapshot, with its index beside it (``.idx``): a sandbox that gets both has
    nothing to unpack and nothing to check before it can write the files.
    """

    git: Git
    commit: str
    snapshot: str
    pack: Path


def remote_url(repo_url: str) -> str:
    """What git is given for a repository: https, http and file URLs as they are, an absolute path as a file URL."""
    if repo_url.startswith("/"):
        return Path(repo_url).as_uri()
    parts = urlsplit(repo_url)
    if parts.scheme not in ("https", "http", "file"):
        raise SourceError(
            f"Repository {repo_url[:200]!r} has no supported address.",
            "Give an https:// or file:// URL, or an absolute path.",
        )
    if parts.username or parts.password:
        raise SourceError(
            "The repository's address holds a user name or password.",
            "Take it out of the address and give the token with the request (X-GitHub-Token).",
        )
    return repo_url


class Source:
    """Gives bases. ``folder`` holds one bare mirror for each repository address; many processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: dict[str, asyncio.Lock] = {}

    async def base(
        self, repo_url: str, branch: str, commit: str, *, scratch: Path, credentials: Credentials | None
    ) -> Base:
        """Fetch ``branch``, find ``commit`` (empty: the branch's head), and make the snapshot under ``scratch``."""
        url = remote_url(repo_url)
        if branch.startswith("-") or (commit and not COMMIT.match(commit)):
            raise SourceError(f"Base {branch!r} {commit!r} is no branch and commit.", "Make the plan again.")
        name = hashlib.sha256(url.encode()).hexdigest()[:32]
        mirror = self._folder / f"{name}.git"
        mirror.mkdir(parents=True, exist_ok=True)
        async with self._locks.setdefault(name, asyncio.Lock()), _file_lock(self._folder / f"{name}.lock"):
            git = Git(mirror, credentials)
            head = await self._fetch(git, url, branch)
            commit = await self._commit(git, url, branch, commit or head)
            own = await _borrow(mirror, scratch / "source.git")
            snapshot = await _snapshot(own, commit)
            pack = await self._pack(own, mirror, snapshot)
            for file in (pack, pack.with_suffix(".idx")):
                await asyncio.to_thread(_link, file, scratch / file.name)
        return Base(git=own, commit=commit, snapshot=snapshot, pack=scratch / pack.name)

    async def _fetch(self, git: Git, url: str, branch: str) -> str:
        if not (git.folder / "HEAD").exists():
            await git("init", "-q", "--bare", ".")
        if not await git.succeeds("check-ref-format", f"refs/heads/{branch}"):
            raise SourceError(f"{branch!r} is no name of a branch.", "Choose a base branch that exists.")
        try:
            await git("fetch", "-q", "--no-tags", "--force", url, f"refs/heads/{branch}:refs/heads/{branch}")
            return await git.text("rev-parse", f"refs/heads/{branch}")
        except GitError as error:
            raise _explain(error, url, branch) from error

    async def _commit(self, git: Git, url: str, branch: str, commit: str) -> str:
        if await git.succeeds("cat-file", "-e", f"{commit}^{{commit}}"):
            return commit
        if await git.succeeds("fetch", "-q", "--no-tags", url, commit):
            return commit
        raise SourceError(
            f"Commit {commit[:12]} of the plan is no longer in branch {branch!r}.",
            "The branch was rewritten. Make the plan again and start the fix from it.",
        )

    async def _pack(self, git: Git, mirror: Path, snapshot: str) -> Path:
        """The snapshot's pack, kept beside the mirror: the same base is packed once."""
        folder = mirror / "soulcaster-packs"
        kept = folder / snapshot
        if not kept.exists():
            fresh = folder / f".{snapshot}"
            await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            arguments = ("pack-objects", "-q", "--revs", "--delta-base-offset", str(fresh / "pack"))
            await git(*arguments, stdin=f"{snapshot}\n".encode(), timeout=600)
            fresh.rename(kept)
        os.utime(kept)
        for old in sorted(folder.glob("*"), key=lambda path: path.stat().st_mtime)[:-KEPT_PACKS]:
            await asyncio.to_thread(shutil.rmtree, old, ignore_errors=True)
        return next(kept.glob("*.pack"))


def _link(source: Path, target: Path) -> None:
    """Another name for a file that is never written again; a copy where the two lie on different file systems."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


async def _borrow(mirror: Path, folder: Path) -> Git:
    await asyncio.to_thread(folder.mkdir, parents=True)
    git = Git(folder)
    await git("init", "-q", "--bare", ".")
    (folder / "objects" / "info").mkdir(parents=True, exist_ok=True)
    (folder / "objects" / "info" / "alternates").write_text(f"{mirror / 'objects'}\n")
    return git


async def _snapshot(git: Git, commit: str) -> str:
    author = Git(git.folder, environ=SNAPSHOT_ENV)
    snapshot = await author.text("commit-tree", f"{commit}^{{tree}}", "-m", "base")
    await git("update-ref", "refs/heads/base", snapshot)
    return snapshot


def _explain(error: GitError, url: str, branch: str) -> SourceError:
    said = error.detail
    if "couldn't find remote ref" in said:
        return SourceError(
            f"Branch {branch!r} is not in {url}.",
            "Choose a base branch that exists, make the plan again, and start the fix from it.",
            said,
        )
    if "dubious ownership" in said:
        action = "Give the repository's files to the user that runs Soulcaster."
    elif "Authentication failed" in said or "terminal prompts disabled" in said or "could not read" in said:
        action = "Give a token that can read the repository (X-GitHub-Token or GITHUB_TOKEN)."
    else:
        action = "Check that the address is right and that this machine reaches it, then start the fix again."
    return SourceError(f"Repository {url} does not clone.", action, said)


@asynccontextmanager
async def _file_lock(path: Path) -> AsyncIterator[None]:
    """One fetch of a mirror at a time across processes."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
