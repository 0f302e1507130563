"""GitHub's OAuth web flow as the documentation has it: consent, a code that works once and with its PKCE verifier only,
a token for ``/user`` and ``/user/memberships/orgs``, and its revocation.

``async with oauth_double() as github``; ``github.login`` is who sits at the browser and consents to everything.
"""

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

CLIENT_ID, CLIENT_SECRET = "Iv1.double", "double-client-secret"


@dataclass
class OauthDouble:
    """``orgs``: (organisation, state of the membership). ``broken`` names routes that answer 500."""

    login: str = "ann"
    orgs: list[tuple[str, str]] = field(default_factory=list)
    callback: str = ""
    broken: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    live_tokens: set[str] = field(default_factory=set)
    port: int = 0
    _codes: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/v3"

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/login/oauth/authorize", self.authorize)
        app.router.add_post("/login/oauth/access_token", self.access_token)
        app.router.add_get("/api/v3/user", self.user)
        app.router.add_get("/api/v3/user/memberships/orgs", self.memberships)
        app.router.add_delete(f"/api/v3/applications/{CLIENT_ID}/token", self.revoke)
        return app

    async def authorize(self, request: web.Request) -> web.Response:
        query = request.query
        if query["client_id"] != CLIENT_ID or not query["redirect_uri"].startswith(self.callback):
            return web.Response(status=404, text="The redirect_uri is not associated with this application.")
        assert query["code_challenge_method"] == "S256"
        self.login = query.get("login", self.login)  # "suggests a specific account to use for signing in"
        code = secrets.token_hex(10)
        self._codes[code] = (query["code_challenge"], query["redirect_uri"])
        self.scopes.append(query.get("scope", ""))
        raise web.HTTPFound(f"{query['redirect_uri']}?code={code}&state={query['state']}")

    async def access_token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if "token" in self.broken:
            return web.Response(status=500, text="<html>Unicorn!</html>", content_type="text/html")
        challenge, redirect = self._codes.pop(str(form["code"]), ("", ""))
        verifier = base64.urlsafe_b64encode(hashlib.sha256(str(form["code_verifier"]).encode()).digest()).decode()
        if not challenge or challenge != verifier.rstrip("=") or redirect != form["redirect_uri"]:
            return web.json_response(  # GitHub answers 200
                {"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."}
            )
        if (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
            return web.json_response({"error": "incorrect_client_credentials"})
        token = "gho_" + secrets.token_hex(18)
        self.live_tokens.add(token)
        return web.json_response({"access_token": token, "token_type": "bearer", "scope": self.scopes[-1]})

    async def user(self, request: web.Request) -> web.Response:
        return self._answer(request, "user", {"login": self.login, "id": 1})

    async def memberships(self, request: web.Request) -> web.Response:
        size, page = int(request.query["per_page"]), int(request.query["page"])
        rows = [{"state": state, "organization": {"login": name}} for name, state in self.orgs]
        if "read:org" not in self.scopes[-1]:
            return web.json_response({"message": "You need at least read:org scope"}, status=403)
        return self._answer(request, "orgs", rows[(page - 1) * size : page * size])

    async def revoke(self, request: web.Request) -> web.Response:
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        assert request.headers["Authorization"] == f"Basic {basic}"
        self.live_tokens.discard((await request.json())["access_token"])
        return web.Response(status=204)

    def _answer(self, request: web.Request, route: str, value: Any) -> web.Response:
        self.calls.append(route)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.live_tokens:
            return web.json_response({"message": "Bad credentials"}, status=401)
        if route in self.broken:
            return web.json_response({"message": "Server Error"}, status=500)
        return web.json_response(value)


@asynccontextmanager
async def oauth_double() -> AsyncIterator[OauthDouble]:
    """Serve until the block ends."""
    double = OauthDouble()
    runner = web.AppRunner(double.app(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    double.port = runner.addresses[0][1]
    try:
        yield double
    finally:
        await runner.cleanup()
