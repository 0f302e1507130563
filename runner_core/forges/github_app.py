"""Installation tokens of a GitHub App: for one repository, with the rights of one purpose, an hour at most.

GitHub's documentation, "Authenticating as a GitHub App": a JWT signed with the App's key (RS256, ten minutes at most,
``iat`` a minute back for clocks that differ) is exchanged for an installation's token; "Create an installation access
token" takes ``repositories`` and ``permissions`` that restrict it.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Literal
from urllib.parse import quote

import jwt
from github import Auth, Github, GithubException

from runner_core.forges.github_calls import Calls, answered, detail_of, host_of, repository_of, said
from runner_core.protocols import ForgeError, Tell, untold
from runtime.logs import logger
from schemas.errors import Failure

Purpose = Literal["fetch", "publish"]
log = logger("runner.github")
RIGHTS: Final[dict[Purpose, dict[str, str]]] = {
    "fetch": {"contents": "read", "metadata": "read"},
    "publish": {"contents": "write", "pull_requests": "write", "metadata": "read"},
}
GIVING_BACK_SECONDS: Final = 3.0  # a slot waits for it
SILENT: Final = Failure(kind="infrastructure", reason="GitHub did not say whether it took the token back.")
RENEWED_BEFORE: Final = timedelta(minutes=10)
SEND_ONE: Final = "a fix also takes a token of your own with its request (X-GitHub-Token)."


@dataclass(frozen=True, slots=True)
class _Held:
    token: str
    expires_at: datetime


class GithubApp:
    """Gives tokens and keeps them until ten minutes before they end. Raises ValueError for a key that cannot sign."""

    def __init__(self, app_id: str, private_key: str, calls: Calls) -> None:
        self._auth = Auth.AppAuth(app_id, private_key.replace("\\n", "\n"))
        try:
            self._auth.create_jwt()
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise ValueError("GITHUB_APP_PRIVATE_KEY is no RSA private key in PEM form") from error
        self._calls = calls
        self._host = host_of(calls.api_url)
        self._held: dict[tuple[str, Purpose], _Held] = {}
        self._one: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._working: Counter[str] = Counter()

    async def token(self, name: str, purpose: Purpose, tell: Tell = untold) -> str:
        """A token for repository ``owner/name`` alone, good for ten minutes at least. Raises ForgeError."""
        async with self._one[name]:
            held = self._held.get((name, purpose))
            if held is None or held.expires_at - datetime.now(UTC) < RENEWED_BEFORE:
                held = self._held[name, purpose] = await self._made(name, purpose, tell)
        return held.token

    @asynccontextmanager
    async def at_work(self, name: str) -> AsyncIterator[None]:
        """While somebody works on the repository its tokens are kept; after the last one they are given back."""
        self._working[name] += 1
        try:
            yield
        finally:
            self._working[name] -= 1
            if not self._working[name]:
                await self._give_back(name)

    def serves(self, repo_url: str) -> bool:
        """Whether the repository is on the host that the App belongs to: its tokens go nowhere else."""
        return repository_of(repo_url) is not None and host_of(repo_url) == self._host

    async def _give_back(self, name: str) -> None:
        """As good as it goes: one that GitHub does not take back in time ends by itself within the hour."""
        async with self._one[name]:
            if self._working[name]:
                return  # somebody else began meanwhile and may hold them
            held = [self._held.pop((name, purpose)) for purpose in RIGHTS if (name, purpose) in self._held]
        for one in held:
            try:
                async with asyncio.timeout(GIVING_BACK_SECONDS):
                    await self._calls(partial(_as, one.token), _revoke, lambda e: _explain(e, name), SILENT, untold)
            except (ForgeError, TimeoutError) as error:
                log.info("github.token_not_given_back", repository=name, reason=str(error) or "no answer in time")

    async def _itself(self) -> Auth.Auth:
        return self._auth

    async def _made(self, name: str, purpose: Purpose, tell: Tell) -> _Held:
        """Asked again while GitHub does not answer: a token made twice ends by itself."""
        silent = Failure(kind="infrastructure", reason=f"GitHub gave no token for {name}.", action="It is asked again.")
        try:
            held = await self._calls.read(
                self._itself, lambda client: _exchange(client, name, purpose), lambda e: _explain(e, name), silent, tell
            )
        except _NotInstalled as missing:
            link = await self._calls.read(self._itself, _link, lambda e: _explain(e, name), silent, tell)
            raise ForgeError(_not_installed(name, link)) from missing
        log.info("github.app_token", repository=name, purpose=purpose, expires_at=held.expires_at.isoformat())
        return held


class _NotInstalled(Exception):
    """The App has no installation that covers the repository."""


def _exchange(client: Github, name: str, purpose: Purpose) -> _Held:
    owner, repo = name.split("/")
    try:
        _, installation = client.requester.requestJsonAndCheck(
            "GET", f"/repos/{quote(owner)}/{quote(repo)}/installation"
        )
    except GithubException as error:
        if error.status == 404:
            raise _NotInstalled from error
        raise
    _, made = client.requester.requestJsonAndCheck(
        "POST",
        f"/app/installations/{int(installation['id'])}/access_tokens",
        input={"repositories": [repo], "permissions": RIGHTS[purpose]},
    )
    return _Held(str(made["token"]), datetime.fromisoformat(str(made["expires_at"]).replace("Z", "+00:00")))


async def _as(token: str) -> Auth.Auth:
    return Auth.Token(token)


def _revoke(client: Github) -> None:
    """GitHub's REST reference, "Revoke an installation access token": the token itself asks for its end."""
    client.requester.requestJsonAndCheck("DELETE", "/installation/token")


def _link(client: Github) -> str:
    """The App's own page, from which it is installed."""
    _, app = client.requester.requestJsonAndCheck("GET", "/app")
    return str(app.get("html_url") or "")


def _not_installed(name: str, link: str) -> Failure:
    page = f"{link.rstrip('/')}/installations/new" if link else "the App's page"
    return Failure(
        kind="repository",
        reason=f"The GitHub App is not installed on {name}.",
        action=f"Open {page}, choose {name}, and try again; {SEND_ONE}",
    )


def _explain(error: GithubException, name: str) -> Failure:
    if error.status == 401:
        reason = "GitHub does not accept the App's key."
        action = "Check GITHUB_APP_ID, GITHUB_APP_PRIVATE_KEY and this machine's clock."
        return Failure(kind="configuration", reason=reason, action=action, detail=detail_of(error))
    if error.status in (403, 404):
        reason = f"GitHub gives the App no token for {name}: {said(error).rstrip('.')}."
        action = f"See whether the App is still installed there and not suspended; {SEND_ONE}"
        return Failure(kind="repository", reason=reason, action=action, detail=detail_of(error))
    if error.status == 422:
        reason = f"The App may not do what it has to in {name}: {said(error).rstrip('.')}."
        action = "Give the App contents and pull requests read and write, and accept that in its installation."
        return Failure(kind="repository", reason=reason, action=action, detail=detail_of(error))
    return answered(error)
