"""From a line of the table to an answer: who asks, for which project, with what, and how it is sent back."""

from collections.abc import Iterable
from typing import Any

import msgspec
from aiohttp import web
from pydantic import BaseModel

from schemas import subjects
from services.gateway import access, auth, idempotency, reading
from services.gateway.auth import Principal
from services.gateway.bodies import read_body, refuse_form
from services.gateway.context import Gateway
from services.gateway.directory import Session
from services.gateway.problems import Problem, invalid
from services.gateway.table import Answer, Call, Route

GATEWAY: web.AppKey[Gateway] = web.AppKey("gateway", Gateway)
COOKIE = "soulcaster_session"
_FREE_PATH_PARTS = frozenset({"owner", "repo", "asset"})  # checked by their own handlers


async def dispatch(route: Route, request: web.Request) -> web.StreamResponse:
    """Run one route."""
    gateway = request.app[GATEWAY]
    call = Call(gateway, request, route, await authenticate(gateway, request))
    if not route.signed:
        authorise(call)
    check_path(request)
    if route.reads_body:
        call.raw = await read_body(request, route.limit)
    value = _value(call) if _has_body(call) else None
    if route.project:
        call.project_id = await project_of(call, value)
        if not route.signed:
            authorise_in(call, call.project_id)
    call.query = reading.query(route.query, dict(request.query))
    call.body = _body(route, value)
    return await _answer(call)


async def _answer(call: Call) -> web.StreamResponse:
    key = call.request.headers.get("Idempotency-Key")
    if key is None or not call.route.starts_work:
        return render(call.route, await call.route.handler(call))
    name = idempotency.entry_key(
        call.project_id, f"{call.request.method} {call.request.path}", idempotency.check_key(key)
    )

    async def work() -> tuple[int, bytes]:
        response = render(call.route, await call.route.handler(call))
        assert isinstance(response, web.Response)
        assert isinstance(response.body, bytes)
        return response.status, response.body

    store = call.gateway.directory.answers
    status, body = await idempotency.once(store, name, call.raw, call.gateway.clock, work)
    return web.Response(status=status, body=body, content_type="application/json")


async def authenticate(gateway: Gateway, request: web.Request) -> Principal | None:
    """The caller, None when nothing was presented. Problem 401 for a key or session that opens nothing."""
    key = auth.bearer(request.headers)
    if key is not None:
        return await principal_of_key(gateway, key)
    cookie = request.cookies.get(cookie_name(gateway))
    if cookie:
        return await _principal_of_cookie(gateway, request, cookie)
    if gateway.open:
        if not auth.loopback_host(request.host) or not _own_page_or_program(gateway, request):
            raise Problem(403, "cross_site", "This gateway has no key and answers only this machine's own pages.")
        return Principal("local", "admin", kind="open")
    return None


def secure(gateway: Gateway) -> bool:
    """Whether browsers reach this gateway over TLS."""
    return gateway.settings.base_url.startswith("https://")


def cookie_name(gateway: Gateway, base: str = COOKIE) -> str:
    """A cookie's name. Over TLS it has the prefix that keeps other hosts of the domain from planting one."""
    return f"__Host-{base}" if secure(gateway) else base


def _own_page_or_program(gateway: Gateway, request: web.Request) -> bool:
    if "Origin" not in request.headers and "Sec-Fetch-Site" not in request.headers:
        return True
    return auth.same_site(request.method, request.headers, own_origins(gateway, request))


def own_origins(gateway: Gateway, request: web.Request) -> frozenset[str]:
    """The origins of our own page."""
    return frozenset({f"{request.scheme}://{request.host}", gateway.settings.base_url})


async def principal_of_key(gateway: Gateway, key: str) -> Principal:
    """Whose key this is; Problem 401."""
    if gateway.admin_key and auth.same(key, gateway.admin_key):
        return Principal("admin", "admin", key_id=auth.admin_mark(key))
    key_id = auth.key_id_of(key)
    if key_id is not None and gateway.pepper is not None:
        record = await gateway.directory.keys.find(key_id)
        if (
            record is not None
            and auth.same(auth.digest(gateway.pepper, key), record.digest)
            and auth.usable(record, gateway.clock.now())
        ):
            return Principal(record.name or key_id, record.role, record.project_id, key_id=key_id)
    raise Problem(
        401,
        "bad_key",
        "The API key is unknown, expired or revoked.",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )


async def _principal_of_cookie(gateway: Gateway, request: web.Request, cookie: str) -> Principal | None:
    session = await gateway.directory.sessions.find(auth.session_token(cookie))
    if session is None or not session.alive(gateway.clock.now()) or not await _still_backed(gateway, session):
        return None
    if not auth.same_site(request.method, request.headers, own_origins(gateway, request)):
        raise Problem(403, "cross_site", "A page of another site may not do this with your session.")
    if session.login:
        return principal_of_person(gateway, session.login, session.orgs)
    return Principal(session.name, session.role, session.project_id, kind="session", key_id=session.key_id)


async def _still_backed(gateway: Gateway, session: Session) -> bool:
    """A session made with a key lasts no longer than the key."""
    if not session.key_id:
        return True
    if session.key_id.startswith("admin."):
        return bool(gateway.admin_key) and auth.same(session.key_id, auth.admin_mark(gateway.admin_key))
    record = await gateway.directory.keys.find(session.key_id)
    return record is not None and auth.usable(record, gateway.clock.now())


def principal_of_person(gateway: Gateway, login: str, orgs: Iterable[str]) -> Principal | None:
    """A person as the lists have them now; None when no list names them."""
    wide, roles = access.roles_of(login, orgs, grants(gateway))
    return Principal(login, wide, kind="session", roles=roles, login=login) if wide or roles else None


def grants(gateway: Gateway) -> list[access.Grant]:
    """Everybody who may sign in with GitHub."""
    return access.all_grants(gateway.settings.github_allowed_logins, gateway.directory.projects.values)


def authorise(call: Call) -> None:
    """Problem 401 or 403 unless the caller's role reaches the route anywhere; its project is checked when known."""
    role, caller = call.route.role, call.principal
    if role is None:
        return
    if caller is None:
        raise Problem(
            401,
            "no_key",
            "Send an API key as `Authorization: Bearer <key>`, or sign in through the link `soulcaster up` printed.",
            headers={"WWW-Authenticate": "Bearer"},
            sign_in=call.gateway.settings.sign_in_ways,
        )
    if not caller.may_somewhere(role):
        raise refused(call, role, caller.only_project)
    if call.route.instance and not caller.may(role, None):
        if caller.role_in(None):
            raise refused(call, role, None)
        raise Problem(403, "instance", f"This concerns all projects; {_whose(caller)} is for some projects only.")


def authorise_in(call: Call, project_id: str) -> None:
    """Problem 403 unless the caller's role in the project reaches the route."""
    role, caller = call.route.role, call.principal
    if role is not None and caller is not None and not caller.may(role, project_id):
        raise refused(call, role, project_id)


def refused(call: Call, role: str, project_id: str | None) -> Problem:
    """403 that says what is missing and whom to ask."""
    caller = call.principal
    assert caller is not None
    asked = access.admins(grants(call.gateway), project_id)
    held = caller.role_in(project_id) or caller.role
    where = f" in project {project_id}" if project_id else ""
    who = f"an admin{where}" + (f" ({', '.join(asked[:5])})" if asked else ", or whoever holds the admin key,")
    how = "can give you that role." if caller.login else "can make a key that has it."
    return Problem(
        403,
        "role",
        f"This needs the role {role}{where}; {_whose(caller)} has {held or 'none there'}. {who.capitalize()} {how}",
        needed=role,
        held=held or None,
        granted_by=asked[:5],
    )


def _whose(caller: Principal) -> str:
    return caller.login if caller.login else "your key"


def check_path(request: web.Request) -> None:
    """Problem 404 for an id that no thing of ours can have: nothing that is not a token ever joins a subject."""
    for name, value in request.match_info.items():
        if name not in _FREE_PATH_PARTS and not subjects.TOKEN.match(value):
            what = name.removesuffix("_id").replace("_", " ").capitalize()
            raise Problem(
                404,
                "not_found",
                f"{what} not found",
                errors=[{"field": name, "reason": "must be 1 to 64 of A-Z a-z 0-9 _ -"}],
            )


async def project_of(call: Call, value: Any) -> str:
    """The project a request is about: ``?project_id=``, else ``project_id`` of the body, else the default one."""
    named = call.request.query.get("project_id")
    if not named and isinstance(value, dict):
        inner = value.get("project_id")
        named = inner if isinstance(inner, str) else None
    if not named and call.principal is not None:
        named = _own_project(call.principal, call.gateway.settings.default_project)
    project_id = named or call.gateway.settings.default_project
    if not project_id:
        raise Problem(400, "project_required", "project_id is required")
    if not subjects.TOKEN.match(project_id):
        raise invalid("project_id", "must be 1 to 64 of A-Z a-z 0-9 _ -")
    if call.principal is not None and not call.principal.sees(project_id):
        raise Problem(404, "project_not_found", "Project not found")
    await call.gateway.project(project_id)
    return project_id


def _own_project(caller: Principal, default: str) -> str | None:
    """The caller's project where the default one is closed to them."""
    return caller.only_project or (None if caller.sees(default) else next(iter(sorted(caller.roles)), None))


def _value(call: Call) -> Any:
    try:
        return reading.parse(call.raw, nul=call.route.signed)
    except Problem:
        refuse_form(call.request)
        raise


def _has_body(call: Call) -> bool:
    if not call.route.reads_body:
        return False
    return not (call.route.body_optional and not call.raw.strip())


def _body(route: Route, value: Any) -> Any:
    if route.body is not None:
        if value is None and not route.body_optional:
            raise invalid("body", "must be a JSON object, not null")
        return reading.model(route.body, {} if value is None else value)
    if route.raw_body and not route.body_optional and not isinstance(value, dict):
        raise invalid("body", "must be a JSON object")
    return value


def render(route: Route, result: Any) -> web.StreamResponse:
    """A handler's result as a response."""
    if isinstance(result, web.StreamResponse):
        return result
    answer = result if isinstance(result, Answer) else Answer(result)
    status = answer.status or route.status
    if status == 204:
        return web.Response(status=204, headers=answer.headers)
    value = answer.value
    if isinstance(value, BaseModel):
        data = value.model_dump_json().encode()
    elif isinstance(value, msgspec.Raw):
        data = bytes(value)
    else:
        data = msgspec.json.encode(value)
    return web.Response(status=status, body=data, content_type="application/json", headers=answer.headers)
