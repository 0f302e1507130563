"""Sign-in with GitHub: out to GitHub with state and PKCE, and back with a session for those on the lists."""

import html
import secrets

from aiohttp import web

from runtime import logs
from services.gateway import access, auth, reference
from services.gateway.context import Gateway
from services.gateway.dispatch import cookie_name, grants, principal_of_person, secure
from services.gateway.github_sign_in import SignIn, refused
from services.gateway.handlers.pages import html_page
from services.gateway.handlers.sessions import begin, set_cookie, slow_down
from services.gateway.problems import Problem
from services.gateway.shapes import house as shapes
from services.gateway.table import Call, Route

log = logs.logger("gateway.sign_in")
STATE_COOKIE = "soulcaster_signin"
STATE_SECONDS = 600


async def github_sign_in(call: Call) -> web.Response:
    """Send the browser to GitHub, with state and PKCE (RFC 7636). ``next`` is a path of ours to come back to."""
    query: shapes.SignInQuery = call.query
    if "github" not in call.gateway.settings.sign_in_ways:
        raise Problem(404, "no_sign_in", "GitHub sign-in is not configured (GITHUB_OAUTH_CLIENT_ID).")
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    address = _github(call.gateway).address(state, verifier, with_orgs=_names_orgs(call.gateway))
    response = _away(address)
    kept = f"{state}.{verifier}.{auth.local_path(query.next)}"
    set_cookie(call.gateway, response, cookie_name(call.gateway, STATE_COOKIE), kept, STATE_SECONDS)
    return response


async def github_callback(call: Call) -> web.Response:
    """Back from GitHub: a session for those on the lists, the reason in words for the others."""
    try:
        response = await _come_back(call)
    except Problem as problem:
        if "text/html" not in call.request.headers.get("Accept", ""):
            raise
        response = html_page(_said(problem))
        response.set_status(problem.status)
    response.del_cookie(
        cookie_name(call.gateway, STATE_COOKIE), path="/", secure=secure(call.gateway), httponly=True, samesite="Lax"
    )
    response.headers["Cache-Control"] = "no-store"
    return response


async def _come_back(call: Call) -> web.Response:
    query: shapes.CallbackQuery = call.query
    gateway = call.gateway
    state, _, rest = call.request.cookies.get(cookie_name(gateway, STATE_COOKIE), "").partition(".")
    verifier, _, path = rest.partition(".")
    if not state or not verifier or not query.state or not auth.same(state, query.state):
        raise refused("It was not started in this browser, or more than ten minutes ago.")
    if query.error or not query.code:
        raise refused(query.error_description or query.error or "GitHub sent no code.")
    slow_down(call, gateway.callbacks)
    person = await _github(gateway).person(query.code, verifier, with_orgs=_names_orgs(gateway))
    if principal_of_person(gateway, person.login, person.orgs) is None:
        log.info("sign_in.not_allowed", login=person.login)
        asked = ", ".join(access.admins(grants(gateway), None)[:5])
        raise Problem(
            403,
            "not_allowed",
            f"{person.login} is on no list of those who may sign in here; ask an admin"
            f"{f' ({asked})' if asked else ''} to add the login to a project.",
        )
    response = _away(auth.local_path(path))
    await begin(call, response, name=person.login, role="", login=person.login, orgs=tuple(person.orgs))
    return response


def _away(address: str) -> web.Response:
    return web.Response(status=302, headers={"Location": address, "Cache-Control": "no-store"})


def _github(gateway: Gateway) -> SignIn:
    return SignIn(gateway.settings, gateway.client())


def _names_orgs(gateway: Gateway) -> bool:
    return any(grant.kind == "org" for grant in grants(gateway))


def _said(problem: Problem) -> str:
    return reference.page(
        "Sign-in",
        f"<h1>You are not signed in</h1><p>{html.escape(problem.detail)}</p>"
        '<p><a href="/session/github">Try again</a> or <a href="/">sign in with an API key</a>.</p>',
    )


ROUTES = (
    Route(
        method="GET",
        path="/session/github",
        handler=github_sign_in,
        summary="Sign in with GitHub",
        tag="session",
        role=None,
        project=False,
        status=302,
        query=shapes.SignInQuery,
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
        query=shapes.CallbackQuery,
        status=302,
        also=(429, 502),
        media="text/html",
    ),
)
