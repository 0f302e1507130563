"""Who may do what, over every route of the table."""

import re
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient

from messaging.connection import NatsBus
from services.gateway.context import Gateway
from services.gateway.routes import TABLE
from services.gateway.settings import Settings
from services.gateway.table import Route
from tests.integration.gateway.conftest import ADMIN_KEY, ScriptedTriage, started
from tests.support.eventually import eventually

Client = TestClient[Any, Any]
ROLES = ("ingest", "viewer", "triager", "operator", "admin")
REACHES = {
    "ingest": {"ingest"},
    "viewer": {"viewer"},
    "triager": {"ingest", "viewer", "triager"},
    "operator": {"ingest", "viewer", "triager", "operator"},
    "admin": {"ingest", "viewer", "triager", "operator", "admin"},
}
ROUTES = [route for route in TABLE if route.role is not None]


def path_of(route: Route) -> str:
    """The route's path with ids of nothing."""
    return re.sub(r"{\w+}", "nothing", route.path)


async def new_key(client: Client, role: str, project: str | None = None) -> dict[str, str]:
    """Headers of a new key."""
    body = {"name": role, "role": role, **({"project_id": project} if project else {})}
    answer = await client.post("/keys", json=body)
    made = await answer.json()
    assert answer.status == 201, made
    return {"Authorization": f"Bearer {made['key']}", "X-Key": made["id"]}


async def call(client: Client, route: Route, headers: dict[str, str], **params: str) -> tuple[int, str]:
    """Status and problem code."""
    body = {"json": {"x": 1}} if route.reads_body else {}
    async with client.request(route.method, path_of(route), headers=headers, params=params, **body) as answer:
        if answer.headers["Content-Type"] == "application/problem+json":
            return answer.status, (await answer.json())["code"]
        return answer.status, ""


async def test_every_route_refuses_whoever_its_role_does_not_reach(
    client: Client, bus: NatsBus, scripted: ScriptedTriage
) -> None:
    keys = {role: await new_key(client, role) for role in ROLES}
    for route in ROUTES:
        status, code = await call(client, route, {"Authorization": ""})
        if not route.signed:
            assert (status, code) == (401, "no_key"), route.path
        for role in ROLES:
            if route.signed or route.path in ("/events",):
                continue
            status, code = await call(client, route, keys[role])
            refused = (status, code) == (403, "role")
            assert refused == (route.role not in REACHES[role]), (route.method, route.path, role, status, code)


async def test_a_key_of_one_project_reaches_no_other(client: Client, bus: NatsBus, scripted: ScriptedTriage) -> None:
    await client.post("/projects", json={"name": "Other", "user_id": "u2", "project_id": "other"})
    foreign = await new_key(client, "admin", "other")
    for route in ROUTES:
        if route.project and not route.signed:
            status, code = await call(client, route, foreign, project_id="default")
            assert (status, code) == (404, "project_not_found"), route.path
        if route.instance:
            assert await call(client, route, foreign) == (403, "instance")
    answer = await client.get("/projects", headers=foreign)
    assert [one["id"] for one in (await answer.json())["projects"]] == ["other"]
    for method in ("PATCH", "DELETE"):
        body = {"json": {"name": "Mine"}} if method == "PATCH" else {}
        assert (await client.request(method, "/projects/default", headers=foreign, **body)).status == 404
    assert (await client.get("/pulls/default/j1", headers=foreign)).status == 404
    keys = await (await client.get("/keys", headers=foreign)).json()
    assert [one["project_id"] for one in keys["items"]] == ["other"]
    wider = await client.post("/keys", json={"name": "x", "role": "admin", "project_id": "default"}, headers=foreign)
    assert wider.status == 404


async def test_a_key_is_shown_once_stored_as_a_hash_and_revoked_at_once(
    client: Client, bus: NatsBus, gateway: Gateway
) -> None:
    headers = await new_key(client, "viewer")
    secret = headers["Authorization"].removeprefix("Bearer ")
    listed = await (await client.get("/keys")).text()
    assert secret not in listed
    assert all(secret not in key.digest for key in gateway.directory.keys.values.values())
    assert (await client.get("/jobs", headers=headers)).status == 200
    assert (await client.get("/jobs", headers={"Authorization": f"Bearer {secret}x"})).status == 401
    assert (await client.delete(f"/keys/{headers['X-Key']}")).status == 200
    assert (await client.get("/jobs", headers=headers)).status == 401


async def test_a_revocation_reaches_another_replica(settings: Settings, bus: NatsBus) -> None:
    async with started(settings, bus) as (_, one), started(settings, bus) as (_, two):
        headers = await new_key(one, "viewer")
        assert (await two.get("/jobs", headers=headers)).status == 200
        await one.delete(f"/keys/{headers['X-Key']}")

        async def refused() -> bool:
            return (await two.get("/jobs", headers=headers)).status == 401

        await eventually(refused)


async def sign_in(client: Client, **headers: str) -> tuple[int, str]:
    """Exchange the admin key for a cookie."""
    answer = await client.post("/session", json={"key": ADMIN_KEY}, headers={"Authorization": "", **headers})
    cookie = answer.headers.get("Set-Cookie", "")
    client.session.cookie_jar.clear()
    return answer.status, cookie


async def test_a_session_is_a_cookie_that_no_other_site_can_use(client: Client, bus: NatsBus) -> None:
    status, cookie = await sign_in(client)
    assert status == 201
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert ADMIN_KEY not in cookie
    base = {"Authorization": "", "Cookie": cookie.partition(";")[0]}
    origin = str(client.make_url("")).rstrip("/")
    assert (await client.get("/jobs", headers=base)).status == 200
    own = [{"Origin": origin}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}]
    foreign = [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": origin},
    ]
    for extra in own:
        assert (await client.post("/ingest/manual", json={"text": "x"}, headers={**base, **extra})).status == 200
    for extra in foreign:
        answer = await client.post("/ingest/manual", json={"text": "x"}, headers={**base, **extra})
        assert (answer.status, (await answer.json())["code"]) == (403, "cross_site"), extra
    assert (await client.delete("/session", headers={**base, "Origin": origin})).status == 204
    assert (await client.get("/jobs", headers=base)).status == 401


async def test_sessions_are_not_fixed_guessed_or_started_from_elsewhere(client: Client, bus: NatsBus) -> None:
    planted = {"Cookie": "soulcaster_session=planted"}
    _, cookie = await sign_in(client, **planted)
    assert "planted" not in cookie
    assert (await client.get("/jobs", headers={"Authorization": "", **planted})).status == 401
    assert (await sign_in(client, Origin="https://evil.example"))[0] == 403
    wrong = await client.post("/session", json={"key": "sc_wrong_key"}, headers={"Authorization": ""})
    assert wrong.status == 401


async def test_guessing_keys_is_slowed_down(client: Client, bus: NatsBus) -> None:
    statuses = {(await client.post("/session", json={"key": "guess"})).status for _ in range(30)}
    assert statuses == {401, 429}


async def test_an_open_gateway_answers_only_this_machines_own_pages(settings: Settings, bus: NatsBus) -> None:
    async with started(msgspec.structs.replace(settings, admin_key=""), bus) as (_, client):
        none = {"Authorization": ""}
        assert (await client.get("/jobs", headers=none)).status == 200
        for headers in (
            {"Host": "evil.example"},
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        ):
            answer = await client.post("/ingest/manual", json={"text": "x"}, headers={**none, **headers})
            assert answer.status == 403, headers


async def test_no_cors_by_default_and_only_for_listed_origins(settings: Settings, bus: NatsBus) -> None:
    listed = msgspec.structs.replace(settings, cors_origins="https://ours.example")
    async with started(settings, bus) as (_, closed), started(listed, bus) as (_, opened):
        ours, evil = {"Origin": "https://ours.example"}, {"Origin": "https://evil.example"}
        assert "Access-Control-Allow-Origin" not in (await closed.get("/jobs", headers=ours)).headers
        assert (await opened.get("/jobs", headers=ours)).headers["Access-Control-Allow-Origin"] == ours["Origin"]
        assert "Access-Control-Allow-Origin" not in (await opened.get("/jobs", headers=evil)).headers
        assert (await opened.options("/jobs", headers=ours)).status == 204
        assert (await opened.options("/jobs", headers=evil)).status == 405


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/livez", "/metrics", "/nothing/at/all"])
async def test_security_headers_and_request_ids_are_on_every_answer(client: Client, bus: NatsBus, path: str) -> None:
    answer = await client.get(path, headers={"X-Request-Id": "mine-1"})
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Request-Id"] == "mine-1"
    odd = await client.get(path, headers={"X-Request-Id": "a b<script>"})
    assert len(odd.headers["X-Request-Id"]) == 26
