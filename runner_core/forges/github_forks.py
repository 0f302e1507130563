"""A fork to push to, where the token may not write to the repository itself. Looked for first, made once.

GitHub's REST reference, "Forks": an account has one fork of a repository, asking again answers with the one that is
there; "forking a repository happens asynchronously", its git objects come a while after the answer.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from github import Auth, Github, GithubException

from runner_core.forges.github_calls import Calls, Who, answered, detail_of, said
from runner_core.protocols import ForgeError, Tell
from schemas.errors import Failure

ASKED: Final = 3


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the token's owner has: the right to write, else a fork if there is one."""

    writable: bool
    fork: str | None = None


class Forks:
    """``ready``: seconds that GitHub may take until a new fork can be pushed to."""

    def __init__(self, calls: Calls, ready: float) -> None:
        self._calls, self._ready = calls, ready

    async def of(self, name: str, token: str, tell: Tell) -> str | None:
        """``owner/name`` of the fork to push to; None when the repository itself may be written. Raises ForgeError."""

        async def auth() -> Auth.Auth:
            return Auth.Token(token)

        standing = await self._look(auth, name, tell)
        if standing.writable:
            return None
        fork = standing.fork or await self._made(auth, name, tell)
        await self._usable(auth, name, fork, tell)
        return fork

    async def _look(self, auth: Who, name: str, tell: Tell) -> _Standing:
        silent = _silent(f"GitHub did not answer about {name}.")
        return await self._calls.read(auth, lambda c: _standing(c, name), lambda e: _explain(e, name), silent, tell)

    async def _made(self, auth: Who, name: str, tell: Tell) -> str:
        """Asked again only after a look: the answer that was lost may have been a yes."""
        await tell(f"the token may not write to {name}: making a fork")
        silent = _silent(f"GitHub did not say whether {name} was forked.")
        for left in reversed(range(ASKED)):
            try:
                return await self._calls.write(
                    auth, lambda c: _make(c, name), lambda e: _explain(e, name), silent, tell
                )
            except ForgeError as error:
                if not left or error.failure.kind != "infrastructure":
                    raise
            standing = await self._look(auth, name, tell)
            if standing.fork is not None:
                return standing.fork
        raise AssertionError("unreachable")

    async def _usable(self, auth: Who, name: str, fork: str, tell: Tell) -> None:
        """Returns when the fork has branches: until then a push to it fails."""
        silent, until, pause = _silent(f"GitHub did not answer about {fork}."), time.monotonic() + self._ready, 0.5
        while not await self._calls.read(
            auth, lambda c: _has_branches(c, fork), lambda e: _explain(e, name), silent, tell
        ):
            if time.monotonic() > until:
                raise ForgeError(_silent(f"The fork {fork} has no branches after {self._ready:.0f} s."))
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)


def _standing(client: Github, name: str) -> _Standing:
    upstream = _get(client, f"/repos/{quote(name)}")
    if upstream.get("archived"):
        reason, action = f"{name} is archived: nobody can write to it.", "Unarchive it, or fix it elsewhere."
        raise ForgeError(Failure(kind="repository", reason=reason, action=action))
    if (upstream.get("permissions") or {}).get("push"):
        return _Standing(writable=True)
    login = str(_get(client, "/user")["login"])
    try:
        own = _get(client, f"/repos/{quote(login)}/{quote(name.split('/')[1])}")
    except GithubException as error:
        if error.status != 404:
            raise
        return _Standing(writable=False)
    above = [(own.get(kin) or {}).get("full_name") for kin in ("parent", "source")]
    return _Standing(writable=False, fork=str(own["full_name"]) if own.get("fork") and name in above else None)


def _make(client: Github, name: str) -> str:
    _, made = client.requester.requestJsonAndCheck(
        "POST", f"/repos/{quote(name)}/forks", input={"default_branch_only": True}
    )
    return str(made["full_name"])


def _has_branches(client: Github, fork: str) -> bool:
    try:
        _, found = client.requester.requestJsonAndCheck("GET", f"/repos/{quote(fork)}/branches?per_page=1")
    except GithubException as error:
        if error.status in (404, 409):  # not there yet, or "Git Repository is empty"
            return False
        raise
    return bool(found)


def _get(client: Github, path: str) -> dict[str, Any]:
    _, found = client.requester.requestJsonAndCheck("GET", path)
    return dict(found)


def _silent(reason: str) -> Failure:
    return Failure(kind="infrastructure", reason=reason, action="It is tried again.")


def _explain(error: GithubException, name: str) -> Failure:
    if error.status in (401, 403, 404, 422):
        reason = f"GitHub does not let this token write to {name} or fork it: {said(error).rstrip('.')}."
        action = "Give a token that may write to the repository, or one that may fork it (public_repo, or repo)."
        return Failure(kind="repository", reason=reason, action=action, detail=detail_of(error))
    return answered(error)
