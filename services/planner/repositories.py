"""Repositories as bare mirrors of ours: one folder for each address, fetched when the branch has moved.

git runs with none of the host's or the user's configuration (``runner_core.git``). A tip is fetched to a ref of its
own, so a fetch that was killed leaves at most a lock that no other fetch needs, and the base of an older plan stays
readable after its branch was rewritten.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from runner_core.git import Credentials, Git, GitError
from services.planner.naming import Paths
from services.planner.sharing import Shared

_BRANCH: Final = re.compile(r"^(?!-)[^\s~^:?*\[\\\x00-\x1f\x7f]{1,200}\Z")
_REMOTE: Final = re.compile(r"^https?://[^\s\x00-\x1f]+\Z")
_SHA: Final = re.compile(r"^[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_DEFAULTS: Final = ("main", "master", "trunk", "develop")
_LIST_SECONDS: Final = 60.0
# git itself gives up on a dead connection, so a fetch whose planner was killed does not stay for ever
_STALLED: Final = {"GIT_HTTP_LOW_SPEED_LIMIT": "1000", "GIT_HTTP_LOW_SPEED_TIME": "60"}


class RepositoryProblem(Exception):
    """A repository that cannot be planned for: ``reason`` and ``action`` are for people, ``detail`` is git's word."""

    def __init__(self, reason: str, action: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.action, self.detail = reason, action, detail


@dataclass(frozen=True, slots=True)
class Access:
    """A token that reads a repository, or none; ``missing`` is then what to tell of a repository that is private."""

    token: str | None = None
    missing: RepositoryProblem | None = None


Tokens = Callable[[str], Awaitable[Access]]  # of the address of a repository


@dataclass(frozen=True, slots=True)
class Ground:
    """A commit that can be read: ``path`` is the mirror, ``commit`` the tip of ``branch`` when it was fetched."""

    path: Path
    branch: str
    commit: str


def checked_address(repo_url: str, *, local: bool) -> str:
    """What git is given for an address: http(s) as it is, ``file://`` and absolute paths when ``local`` is allowed."""
    url = repo_url.strip()
    if _REMOTE.match(url):
        if "@" in urlsplit(url).netloc:
            raise RepositoryProblem(
                "The repository's address holds credentials.",
                "Give the plain https address; a token is configured with GITHUB_TOKEN of the planner.",
            )
        return url
    path = url.removeprefix("file://") if url.startswith("file:///") else url
    if not path.startswith("/") or "\0" in path or "\n" in path:
        raise RepositoryProblem(
            f"The repository {url[:200]!r} is neither an https address nor file:// nor an absolute path.",
            "Give the repository's https address, or the absolute path of a clone on the planner's machine.",
        )
    if not local:
        raise RepositoryProblem(
            "Repositories on the planner's machine are switched off.",
            "Give the repository's https address, or set LOCAL_REPOSITORIES=yes for the planner.",
        )
    if not Path(path).is_dir():
        raise RepositoryProblem(f"There is no folder {path} on the planner's machine.", "Check the repository's path.")
    return path


class Mirrors:
    """The cache of mirrors under ``folder``. Safe for many tasks: one look at a time at each repository, shared by all
    who asked before it began."""

    def __init__(
        self, folder: Path, *, local: bool = True, seconds: float = 300.0, slots: int = 4, tokens: Tokens | None = None
    ) -> None:
        self.folder, self._local, self._seconds, self._tokens = folder, local, seconds, tokens
        self._slots = asyncio.Semaphore(slots)
        self._locks: dict[str, asyncio.Lock] = {}
        self._shared: Shared[Ground] = Shared()

    async def ground(self, repo_url: str, branch: str | None) -> Ground:
        """The tip of ``branch`` (the repository's default when None), readable from disk. Raises RepositoryProblem."""
        address = checked_address(repo_url, local=self._local)
        if branch is not None and (not _BRANCH.match(branch) or ".." in branch):
            raise RepositoryProblem(f"{branch[:200]!r} is no branch name.", "Name a branch of the repository.")
        path = self.folder / hashlib.sha256(address.encode()).hexdigest()[:24]
        key = f"{path.name} {branch or ''}"
        return await self._shared(key, self._turn(path.name), lambda: self._looked(path, address, branch))

    @asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[None]:
        async with self._locks.setdefault(name, asyncio.Lock()), self._slots:
            yield

    async def _looked(self, path: Path, address: str, branch: str | None) -> Ground:
        access = await self._access(address)
        git = await self._bare(path, access.token)
        try:
            name, tip = chosen_branch(await self._refs(git, address), branch, address)
            if not await git.succeeds("cat-file", "-e", f"{tip}^{{commit}}"):
                tip = await self._fetch(git, address, name, tip)
        except GitError as error:
            raise unreachable(address, error, access.missing) from error
        return Ground(path, name, tip)

    async def _access(self, address: str) -> Access:
        return await self._tokens(address) if self._tokens and not address.startswith("/") else Access()

    async def _bare(self, path: Path, token: str | None) -> Git:
        credentials = Credentials.write(self.folder / "credentials" / path.name, token) if token else None
        git = Git(path, credentials, _STALLED, background=True)
        if not await asyncio.to_thread(_is_made, path):
            await git("init", "--quiet", "--bare", "--template=", ".")
        return git

    async def _refs(self, git: Git, address: str) -> dict[str, str]:
        limit = min(_LIST_SECONDS, self._seconds)
        said = await git("ls-remote", "--symref", "--", address, "HEAD", "refs/heads/*", timeout=limit)
        return read_refs(said.decode("utf-8", "replace"))

    async def _fetch(self, git: Git, address: str, branch: str, tip: str) -> str:
        ref = f"refs/tips/{tip}"
        (git.folder / f"{ref}.lock").unlink(missing_ok=True)  # left by a fetch that was killed; we hold the only lock
        await git(
            "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--update-shallow",
            "--no-auto-maintenance", "--", address, f"+refs/heads/{branch}:{ref}", timeout=self._seconds,
        )  # fmt: skip
        return await git.text("rev-parse", "--verify", f"{ref}^{{commit}}")

    async def changed(self, ground: Ground, base_commit: str) -> set[str] | None:
        """Paths that differ between an older commit and the ground; None when the branch no longer contains it."""
        git = Git(ground.path, background=True)
        if not _SHA.match(base_commit) or not await git.succeeds(
            "merge-base", "--is-ancestor", base_commit, ground.commit
        ):
            return None
        said = await git("diff-tree", "-r", "-z", "--name-only", "--no-renames", base_commit, ground.commit)
        return {name.decode("utf-8", "replace") for name in said.split(b"\0") if name}

    async def paths(self, ground: Ground) -> Paths:
        """Every file of the commit."""
        said = await Git(ground.path, background=True)(
            "ls-tree", "-r", "-z", "--name-only", "--full-tree", ground.commit
        )
        return await asyncio.to_thread(lambda: Paths(said.decode("utf-8", "replace").rstrip("\0").split("\0")))

    async def existing_names(self, ground: Ground, names: Collection[str], within: Collection[str] = ()) -> set[str]:
        """Those of ``names`` that occur as whole words in the commit; files ``within`` are searched first."""
        found: set[str] = set()
        for paths in ([*within], []) if within else ([],):
            missing = [name for name in names if name not in found]
            if missing:
                found |= await self._grep(ground, missing, paths)
        return found

    async def _grep(self, ground: Ground, names: list[str], paths: list[str]) -> set[str]:
        patterns = [part for name in names for part in ("-e", name)]
        options = ["-I", "-h", "-o", "-w", "-F", "--max-count=5", "--no-textconv", "--no-recurse-submodules"]
        try:
            said = await Git(ground.path, background=True)(
                "--literal-pathspecs", "grep", *options, *patterns, ground.commit, "--", *paths, timeout=60.0
            )
        except GitError as error:
            if error.code == 1:  # git's way to say: nothing found
                return set()
            raise
        return set(said.decode("utf-8", "replace").splitlines())


def _is_made(path: Path) -> bool:
    path.mkdir(parents=True, exist_ok=True)
    return (path / "HEAD").exists() and (path / "objects").is_dir()


def read_refs(said: str) -> dict[str, str]:
    """``git ls-remote --symref``: branch -> commit; the default branch under ``HEAD`` as its name, when it has one."""
    refs: dict[str, str] = {}
    head = ""
    for line in said.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: refs/heads/") and name == "HEAD":
            refs["HEAD"] = value.removeprefix("ref: refs/heads/")
        elif name == "HEAD":
            head = value
        elif name.startswith("refs/heads/"):
            refs[name] = value
    if "HEAD" not in refs:  # detached, or pointing at a branch that does not exist
        branches = {name.removeprefix("refs/heads/"): sha for name, sha in refs.items()}
        same = [name for name, sha in branches.items() if sha == head]
        usual = [name for name in _DEFAULTS if name in branches]
        only = [*branches] if len(branches) == 1 else []
        if chosen := (usual or only) if not same else ([n for n in _DEFAULTS if n in same] or same):
            refs["HEAD"] = chosen[0]
    return refs


def chosen_branch(refs: dict[str, str], wanted: str | None, address: str) -> tuple[str, str]:
    """(branch, commit). Raises RepositoryProblem when the repository is empty or the branch is not there."""
    branches = sorted(name.removeprefix("refs/heads/") for name in refs if name.startswith("refs/heads/"))
    if not branches:
        raise RepositoryProblem(f"The repository {address} is empty: it has no commits.", "Push a first commit.")
    name = wanted or refs.get("HEAD")
    shown = ", ".join(branches[:5]) + (f" and {len(branches) - 5} more" if len(branches) > 5 else "")
    if name is None:
        raise RepositoryProblem(
            f"The repository {address} names no default branch; it has {shown}.", "Name the branch."
        )
    sha = refs.get(f"refs/heads/{name}")
    if sha is None or not _SHA.match(sha):
        raise RepositoryProblem(
            f"The branch {name} is not in the repository {address}; it has {shown}.",
            "Name a branch that exists, or leave it out for the default branch.",
        )
    return name, sha


def unreachable(address: str, error: GitError, missing: RepositoryProblem | None = None) -> RepositoryProblem:
    """git's failure in words a person can act on; ``missing`` is why there was no token to read with."""
    said = (error.detail or "").lower()
    if error.code is None:
        return RepositoryProblem(
            f"The repository {address} gave no answer in time.",
            "Check that it can be reached, then try again.",
            error.detail,
        )
    if any(
        word in said for word in ("username", "authentication", "403", "401", "permission denied", "terminal prompts")
    ):
        reason = f"The repository {address} does not exist or is private."
        if missing is not None:
            return RepositoryProblem(f"{reason} {missing.reason}", missing.action, _without_askpass(error.detail))
        action = "Check the address; for a private repository set GITHUB_APP_ID or GITHUB_TOKEN of the planner."
        return RepositoryProblem(reason, action, _without_askpass(error.detail))
    if "not found" in said or "does not appear to be a git repository" in said:
        return RepositoryProblem(f"There is no git repository at {address}.", "Check the address.", error.detail)
    if "dubious ownership" in said:
        return RepositoryProblem(
            f"The repository {address} belongs to another user, and git refuses to read it.",
            "Run the planner as the repository's owner, or give it a clone of its own.",
            error.detail,
        )
    return RepositoryProblem(
        f"The repository {address} does not clone: {_last_line(error.detail)}",
        "Try `git clone` of the address yourself; then generate again.",
        error.detail,
    )


def _without_askpass(detail: str) -> str:
    """Our own way to keep git from asking is nothing that a person can act on."""
    return "\n".join(line for line in detail.splitlines() if "askpass" not in line)


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))]
    return (fatal or lines or ["git gave no reason"])[-1][:300]
