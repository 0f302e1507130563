"""Browser sessions: a key exchanged for a cookie, who is signed in, and signing out."""

import secrets
from typing import Any

from aiohttp import web

from runtime import logs
from services.gateway import auth
from services.gateway.auth import Principal
from services.gateway.context import Gateway
from services.gateway.directory import ABSOLUTE, Session
from services.gateway.dispatch import cookie_name, own_origins, principal_of_key, secure
from services.gateway.limits import Rates
from services.gateway.problems import Problem
from services.gateway.shapes import house as shapes
from services.gateway.table import Call, Route

log = logs.logger("gateway.sessions")
TOUCH_SECONDS = 300.0


async def sign_in(call: Call) -> web.Response:
    """Exchange a key for a session cookie. The key comes in the body, never in an address."""
    body: shapes.SignIn = call.body
    slow_down(call, call.gateway.logins)
    if not auth.same_site("POST", call.request.headers, own_origins(call.gateway, call.request)) and (
        "Origin" in call.request.headers or "Sec-Fetch-Site" in call.request.headers
    ):
        raise Problem(403, "cross_site", "A page of another site may not sign in here.")
    principal = await principal_of_key(call.gateway, body.key)
    response = web.json_response(_info(call, principal, None), status=201, headers={"Cache-Control": "no-store"})
    await begin(
        call,
        response,
        name=principal.name,
        role=principal.role,
        project_id=principal.project,
        key_id=principal.key_id,
    )
    return response


def slow_down(call: Call, rates: Rates) -> None:
    """Problem 429 for an address that signs in again and again; a proxy in front is one address for a whole team."""
    wait = rates.take(call.request.remote or "-", call.gateway.clock.monotonic())
    if wait > 0:
        raise Problem(429, "rate_limited", "Too many sign-ins from this address.", retry_after=wait)


async def begin(call: Call, response: web.StreamResponse, **fields: Any) -> None:
    """A new opaque id at each sign-in, so that a planted one is worth nothing; the session before it ends."""
    gateway, cookie = call.gateway, secrets.token_urlsafe(32)
    now = gateway.clock.now()
    before = call.request.cookies.get(cookie_name(gateway))
    if before:
        await gateway.directory.sessions.drop(auth.session_token(before))
    session = Session(**fields, created_at=now, seen_at=now)
    await gateway.directory.sessions.put(auth.session_token(cookie), session)
    set_cookie(gateway, response, cookie_name(gateway), cookie, int(ABSOLUTE.total_seconds()))
    log.info("session.began", name=session.name, role=session.role)


def set_cookie(gateway: Gateway, response: web.StreamResponse, name: str, value: str, seconds: int) -> None:
    """A cookie that no script reads and no other site sends along with a change."""
    response.set_cookie(name, value, max_age=seconds, httponly=True, secure=secure(gateway), samesite="Lax", path="/")


async def session_info(call: Call) -> web.Response:
    """Who is signed in, and what they may do in the project asked about; keeps the session from ending for idleness."""
    query: shapes.SessionQuery = call.query
    if call.principal is None:
        ways = call.gateway.settings.sign_in_ways
        raise Problem(
            401,
            "no_key",
            "Nobody is signed in.",
            sign_in=ways,
            github_sign_in="github" in ways,
            headers={"WWW-Authenticate": "Bearer"},
        )
    cookie = call.request.cookies.get(cookie_name(call.gateway))
    if call.principal.kind == "session" and cookie:
        await _touch(call.gateway, auth.session_token(cookie))
    return web.json_response(_info(call, call.principal, query.project_id), headers={"Cache-Control": "no-store"})


async def _touch(gateway: Gateway, token: str) -> None:
    session = await gateway.directory.sessions.find(token)
    now = gateway.clock.now()
    if session is not None and (now - session.seen_at).total_seconds() > TOUCH_SECONDS:
        await gateway.directory.sessions.put(token, session.seen(now))


def _info(call: Call, principal: Principal, asked: str | None) -> dict[str, Any]:
    settings = call.gateway.settings
    default = home(principal, settings.default_project)
    role = principal.role_in(asked or default)
    return {
        "name": principal.name,
        "login": principal.login or None,
        "role": role,
        "may": auth.reached(role),
        "roles": dict(principal.roles),
        "project_id": principal.only_project,
        "default_project": default,
        "kind": principal.kind,
        "sign_in": settings.sign_in_ways,
        "github_sign_in": "github" in settings.sign_in_ways,
    }


def home(principal: Principal, default: str) -> str | None:
    """The project to begin with: the only one, else the default one, else the first that is open."""
    if principal.only_project or (default and principal.sees(default)):
        return principal.only_project or default
    return next(iter(sorted(principal.roles)), None)


async def sign_out(call: Call) -> web.Response:
    """End the session."""
    name = cookie_name(call.gateway)
    cookie = call.request.cookies.get(name)
    if cookie:
        await call.gateway.directory.sessions.drop(auth.session_token(cookie))
    response = web.Response(status=204)
    response.del_cookie(name, path="/", secure=secure(call.gateway), httponly=True, samesite="Lax")
    return response


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
        query=shapes.SessionQuery,
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
)
