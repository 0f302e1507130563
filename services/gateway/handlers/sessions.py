"""Browser sessions: a key exchanged for a cookie, or a sign-in with GitHub."""

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from runtime import logs
from services.gateway import auth
from services.gateway.auth import Principal
from services.gateway.context import Gateway
from services.gateway.directory import ABSOLUTE, Session
from services.gateway.dispatch import COOKIE, own_origins, principal_of_key
from services.gateway.problems import Problem
from services.gateway.shapes import house as shapes
from services.gateway.shapes.base import Query
from services.gateway.table import Call, Route

log = logs.logger("gateway.sessions")
STATE_COOKIE = "soulcaster_signin"
STATE_SECONDS = 600


class Callback(Query):
    """What GitHub sends back."""

    code: str | None = None
    state: str | None = None
    error: str | None = None


async def sign_in(call: Call) -> web.Response:
    """Exchange a key for a session cookie. The key comes in the body, never in an address."""
    body: shapes.SignIn = call.body
    _slow_down(call)
    if not auth.same_site("POST", call.request.headers, own_origins(call.gateway, call.request)) and (
        "Origin" in call.request.headers or "Sec-Fetch-Site" in call.request.headers
    ):
        raise Problem(403, "cross_site", "A page of another site may not sign in here.")
    principal = await principal_of_key(call.gateway, body.key)
    response = web.json_response(_info(call.gateway, principal), status=201)
    await _begin(call, response, principal)
    return response


def _slow_down(call: Call) -> None:
    wait = call.gateway.logins.take(call.request.remote or "-", call.gateway.clock.monotonic())
    if wait > 0:
        raise Problem(429, "rate_limited", "Too many sign-ins from this address.", retry_after=wait)


async def _begin(call: Call, response: web.StreamResponse, principal: Principal) -> None:
    """A new opaque id at each sign-in, so that a planted one is worth nothing."""
    gateway, cookie = call.gateway, secrets.token_urlsafe(32)
    now = gateway.clock.now()
    session = Session(
        name=principal.name,
        role=principal.role,
        project_id=principal.project,
        key_id=principal.key_id,
        created_at=now,
        seen_at=now,
    )
    await gateway.directory.sessions.put(auth.session_token(cookie), session)
    _set_cookie(gateway, response, _cookie_name(gateway), cookie, int(ABSOLUTE.total_seconds()))
    log.info("session.began", name=principal.name, role=principal.role)


def _secure(gateway: Gateway) -> bool:
    return gateway.settings.base_url.startswith("https://")


def _cookie_name(gateway: Gateway) -> str:
    return f"__Host-{COOKIE}" if _secure(gateway) else COOKIE


def _set_cookie(gateway: Gateway, response: web.StreamResponse, name: str, value: str, seconds: int) -> None:
    response.set_cookie(name, value, max_age=seconds, httponly=True, secure=_secure(gateway), samesite="Lax", path="/")


async def session_info(call: Call) -> dict[str, Any]:
    """Who is signed in; keeps the session from ending for idleness."""
    if call.principal is None:
        raise Problem(
            401,
            "no_key",
            "Nobody is signed in.",
            github_sign_in=bool(call.gateway.settings.github_oauth_client_id),
            headers={"WWW-Authenticate": "Bearer"},
        )
    cookie = call.request.cookies.get(_cookie_name(call.gateway))
    if call.principal.kind == "session" and cookie:
        await _touch(call.gateway, auth.session_token(cookie))
    return _info(call.gateway, call.principal)


async def _touch(gateway: Gateway, token: str) -> None:
    session = await gateway.directory.sessions.find(token)
    now = gateway.clock.now()
    if session is not None and (now - session.seen_at).total_seconds() > 300:
        fields = {name: getattr(session, name) for name in session.__struct_fields__}
        await gateway.directory.sessions.put(token, Session(**{**fields, "seen_at": now}))


def _info(gateway: Gateway, principal: Principal) -> dict[str, Any]:
    return {
        "name": principal.name,
        "role": principal.role,
        "project_id": principal.project,
        "default_project": principal.project or gateway.settings.default_project or None,
        "kind": principal.kind,
        "github_sign_in": bool(gateway.settings.github_oauth_client_id),
    }


async def sign_out(call: Call) -> web.Response:
    """End the session."""
    name = _cookie_name(call.gateway)
    cookie = call.request.cookies.get(name)
    if cookie:
        await call.gateway.directory.sessions.drop(auth.session_token(cookie))
    response = web.Response(status=204)
    response.del_cookie(name, path="/", secure=_secure(call.gateway))
    return response


async def github_sign_in(call: Call) -> web.Response:
    """Send the browser to GitHub, with state and PKCE (RFC 7636)."""
    settings = call.gateway.settings
    if not settings.github_oauth_client_id:
        raise Problem(404, "no_sign_in", "GitHub sign-in is not configured (GITHUB_OAUTH_CLIENT_ID).")
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    query = urlencode(
        {
            "client_id": settings.github_oauth_client_id,
            "redirect_uri": f"{settings.base_url}/session/github/callback",
            "scope": "read:user",
            "state": state,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
    )
    response = web.Response(
        status=302, headers={"Location": f"{settings.github_oauth_url}/login/oauth/authorize?{query}"}
    )
    _set_cookie(call.gateway, response, STATE_COOKIE, f"{state}.{verifier}", STATE_SECONDS)
    return response


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


async def github_callback(call: Call) -> web.Response:
    """Back from GitHub: a session for those on the list, with the role written there."""
    query: Callback = call.query
    state, _, verifier = call.request.cookies.get(STATE_COOKIE, "").partition(".")
    if not state or not query.state or not auth.same(state, query.state) or not query.code:
        raise Problem(400, "sign_in_refused", "The sign-in was not started here, or GitHub refused it. Start again.")
    login = await _github_login(call.gateway, query.code, verifier)
    role = allowed_logins(call.gateway.settings.github_allowed_logins).get(login.lower())
    if role is None:
        raise Problem(403, "not_allowed", f"{login} may not sign in here; ask an admin to add it.")
    response = web.Response(status=302, headers={"Location": "/"})
    response.del_cookie(STATE_COOKIE, path="/")
    await _begin(call, response, Principal(login, role, kind="session"))
    return response


def allowed_logins(text: str) -> dict[str, str]:
    """``login=role,...`` as a table; a login without a role is a viewer, an unknown role is nobody's."""
    pairs = [item.partition("=") for item in text.split(",") if item.strip()]
    found = {login.strip().lower(): role.strip() or "viewer" for login, _, role in pairs}
    return {login: role for login, role in found.items() if role in auth.ROLES}


async def _github_login(gateway: Gateway, code: str, verifier: str) -> str:
    settings = gateway.settings
    form = {
        "client_id": settings.github_oauth_client_id,
        "client_secret": settings.github_oauth_client_secret,
        "code": code,
        "code_verifier": verifier,
    }
    try:
        async with gateway.client().post(
            f"{settings.github_oauth_url}/login/oauth/access_token", data=form, headers={"Accept": "application/json"}
        ) as answer:
            token = (await answer.json(content_type=None)).get("access_token")
        if not isinstance(token, str):
            raise Problem(400, "sign_in_refused", "GitHub did not accept the sign-in. Start again.")
        async with gateway.client().get(
            f"{settings.github_api_url}/user", headers={"Authorization": f"Bearer {token}"}
        ) as answer:
            login = (await answer.json(content_type=None)).get("login")
    except (aiohttp.ClientError, TimeoutError, ValueError, AttributeError) as why:
        raise Problem(502, "github_unavailable", "GitHub did not answer the sign-in; try again.") from why
    if not isinstance(login, str):
        raise Problem(502, "github_unavailable", "GitHub did not say who signed in; try again.")
    return login


ROUTES = (
    Route(
        method="POST",
        path="/session",
        handler=sign_in,
        summary="Exchange a key for a browser session",
        tag="session",
        role=None,
        project=False,
        body=shapes.SignIn,
        answer=shapes.SessionInfo,
        status=201,
        also=(429,),
    ),
    Route(
        method="GET",
        path="/session",
        handler=session_info,
        summary="Who is signed in",
        tag="session",
        role=None,
        project=False,
        answer=shapes.SessionInfo,
    ),
    Route(
        method="DELETE",
        path="/session",
        handler=sign_out,
        summary="Sign out",
        tag="session",
        role=None,
        project=False,
        status=204,
    ),
    Route(
        method="GET",
        path="/session/github",
        handler=github_sign_in,
        summary="Sign in with GitHub",
        tag="session",
        role=None,
        project=False,
        status=302,
        also=(404,),
        media="text/html",
    ),
    Route(
        method="GET",
        path="/session/github/callback",
        handler=github_callback,
        summary="Back from GitHub",
        tag="session",
        role=None,
        project=False,
        query=Callback,
        status=302,
        also=(502,),
        media="text/html",
    ),
)
