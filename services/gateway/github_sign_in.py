"""GitHub's OAuth web flow with PKCE: where to send a browser, and who came back. The one adapter of the sign-in.

Source: docs.github.com "Authorizing OAuth apps" (web application flow; ``code_challenge_method`` S256) and REST
"Organization memberships" and "OAuth authorizations".
"""

import contextlib
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp

from runtime import logs
from services.gateway import auth
from services.gateway.github import Github, Refused
from services.gateway.problems import Problem
from services.gateway.settings import Settings

log = logs.logger("gateway.sign_in")
PAGES: Final = 10
PAGE_SIZE: Final = 100
_CODE: Final = re.compile(r"^[A-Za-z0-9._~-]{1,256}\Z")


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in. ``orgs`` are lower case, empty unless some list names an organisation."""

    login: str
    orgs: list[str]


@dataclass(frozen=True, slots=True)
class SignIn:
    """One OAuth app."""

    settings: Settings
    http: aiohttp.ClientSession

    def address(self, state: str, verifier: str, *, with_orgs: bool) -> str:
        """Where to send the browser. Membership of organisations is asked for only when a list names one."""
        query = {
            "client_id": self.settings.github_oauth_client_id,
            "redirect_uri": self.callback,
            "scope": "read:org" if with_orgs else "",
            "state": state,
            "code_challenge": auth.challenge(verifier),
            "code_challenge_method": "S256",
        }
        return f"{self.settings.github_oauth_url.rstrip('/')}/login/oauth/authorize?{urlencode(query)}"

    @property
    def callback(self) -> str:
        """The callback address, as the OAuth app has it registered."""
        return f"{self.settings.base_url}/session/github/callback"

    async def person(self, code: str, verifier: str, *, with_orgs: bool) -> Person:
        """Who came back with this code. The token is used here and revoked; Problem 400 or 502."""
        if not _CODE.match(code):
            raise refused("The code is not one of GitHub's.")
        token = await self._token(code, verifier)
        github = Github(self.http, self.settings.github_api_url, token)
        try:
            login = (await github.call("GET", "/user")).get("login")
            orgs = await self._orgs(github) if with_orgs else []
        except (Refused, AttributeError, TypeError, KeyError) as why:
            raise silent(str(why)) from why
        finally:
            await self._revoke(token)
        if not isinstance(login, str) or not login:
            raise silent("it did not say who signed in")
        return Person(login, orgs)

    async def _token(self, code: str, verifier: str) -> str:
        form = {
            "client_id": self.settings.github_oauth_client_id,
            "client_secret": self.settings.github_oauth_client_secret,
            "code": code,
            "redirect_uri": self.callback,
            "code_verifier": verifier,
        }
        url = f"{self.settings.github_oauth_url.rstrip('/')}/login/oauth/access_token"
        try:
            async with self.http.post(
                url, data=form, headers={"Accept": "application/json"}, allow_redirects=False
            ) as answer:
                said: Any = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as why:
            raise silent(type(why).__name__) from why
        if not isinstance(said, dict):
            raise silent("its answer was not an object")
        token = said.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise refused(str(said.get("error_description") or said.get("error") or "GitHub gave no token.")[:300])
        return token

    async def _orgs(self, github: Github) -> list[str]:
        found: list[str] = []
        for page in range(1, PAGES + 1):
            rows = await github.call(
                "GET", f"/user/memberships/orgs?state=active&per_page={PAGE_SIZE}&page={page}", timeout=_PATIENCE
            )
            found += [str(row["organization"]["login"]).lower() for row in rows if row["state"] == "active"]
            if len(rows) < PAGE_SIZE:
                break
        return found

    async def _revoke(self, token: str) -> None:
        """The token has done its work; that GitHub does not take it back must not fail a sign-in."""
        client, secret = self.settings.github_oauth_client_id, self.settings.github_oauth_client_secret
        headers = {"Authorization": aiohttp.encode_basic_auth(client, secret)}
        url = f"{self.settings.github_api_url.rstrip('/')}/applications/{client}/token"
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self.http.delete(
                url, json={"access_token": token}, headers=headers, allow_redirects=False, timeout=_PATIENCE
            ) as answer:
                if answer.status == 204:
                    return
        log.warning("sign_in.token_not_revoked")


_PATIENCE: Final = aiohttp.ClientTimeout(total=10)


def refused(why: str) -> Problem:
    """GitHub, or we, did not take the sign-in."""
    return Problem(400, "sign_in_refused", f"The sign-in was refused: {why} Start again.")


def silent(why: str) -> Problem:
    """GitHub is not to be had."""
    return Problem(502, "github_unavailable", f"GitHub did not answer the sign-in ({why}); try again.")
