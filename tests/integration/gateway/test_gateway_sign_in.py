"""Sign-in with GitHub, against a double of its OAuth routes: who gets in, as what, and what is refused."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from yarl import URL

from messaging.connection import NatsBus
from services.gateway.context import Gateway
from services.gateway.settings import Settings
from tests.integration.gateway.conftest import ADMIN_KEY, ScriptedTriage, started
from tests.support.eventually import eventually
from tests.support.github_double.oauth import CLIENT_ID, CLIENT_SECRET, OauthDouble, oauth_double

Client = TestClient[Any, Any]
NOBODY = {"Authorization": ""}
BROWSER = {"Authorization": "", "Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Mode": "navigate"}
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}


@asynccontextmanager
async def signing_in(
    settings: Settings, bus: NatsBus, allowed: str = "", **more: str
) -> AsyncIterator[tuple[Gateway, Client, OauthDouble]]:
    """A gateway with an OAuth app at the double."""
    async with oauth_double() as github:
        values = {
            "github_oauth_client_id": CLIENT_ID,
            "github_oauth_client_secret": CLIENT_SECRET,
            "github_oauth_url": github.url,
            "github_api_url": github.api_url,
            "github_allowed_logins": allowed,
            **more,
        }
        async with started(msgspec.structs.replace(settings, **values), bus) as (gateway, client):
            here = str(client.make_url("")).rstrip("/")
            if "public_url" not in more:
                gateway.settings = msgspec.structs.replace(gateway.settings, public_url=here)
            github.callback = f"{gateway.settings.base_url}/session/github/callback"
            yield gateway, client, github


async def sign_in(client: Client, next_: str | None = None, **headers: str) -> ClientResponse:
    """What a browser's trip to GitHub and back ends with; not yet followed to our page."""
    client.session.cookie_jar.clear()
    params = {} if next_ is None else {"next": next_}
    away = await client.get("/session/github", params=params, headers=NOBODY, allow_redirects=False)
    assert away.status == 302, await away.text()
    consent = await client.session.get(away.headers["Location"], allow_redirects=False)
    back = URL(consent.headers["Location"])
    return await client.get(back.path_qs, headers={**BROWSER, **headers}, allow_redirects=False)


async def who(client: Client, project: str = "default") -> dict[str, Any]:
    """GET /session of whoever's cookie the client holds."""
    answer = await client.get("/session", params={"project_id": project}, headers=NOBODY)
    found: dict[str, Any] = await answer.json()
    return found


async def test_a_person_on_the_list_is_signed_in_with_the_role_written_there(settings: Settings, bus: NatsBus) -> None:
    async with signing_in(settings, bus, "Ann=operator, bob") as (gateway, client, github):
        answer = await sign_in(client, "/clusters/c1?tab=plan")
        assert (answer.status, answer.headers["Location"]) == (302, "/clusters/c1?tab=plan")
        cookie = answer.headers.getall("Set-Cookie")[0]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Secure" not in cookie, "the gateway is on http here"
        found = await who(client)
        assert {name: found[name] for name in ("name", "login", "role", "kind", "project_id")} == {
            "name": "ann",
            "login": "ann",
            "role": "operator",
            "kind": "session",
            "project_id": None,
        }
        assert found["may"] == ["ingest", "viewer", "triager", "operator"]
        assert found["sign_in"] == ["key", "github"]
        assert github.live_tokens == set(), "the token is given back"
        assert github.scopes == [""], "no list names an organisation, so membership is nobody's business"
        assert all("gho_" not in str(session) for session in gateway.directory.sessions.values.values())


async def test_nobody_else_gets_in_and_is_told_whom_to_ask(settings: Settings, bus: NatsBus) -> None:
    async with signing_in(settings, bus, "carol=admin") as (_, client, github):
        github.login = "<b>eve</b>"
        answer = await sign_in(client)
        text = await answer.text()
        assert answer.status == 403
        assert "ask an admin (carol)" in text
        assert "<b>eve" not in text
        assert (await client.get("/session", headers=NOBODY)).status == 401


async def test_members_of_an_organisation_get_its_role_and_pending_ones_none(settings: Settings, bus: NatsBus) -> None:
    async with signing_in(settings, bus, "org:Acme=viewer, ann=triager@shop") as (_, client, github):
        github.orgs = [(f"org{n}", "active") for n in range(120)] + [("ACME", "active")]
        assert (await sign_in(client)).status == 302
        found = await who(client)
        assert (found["role"], found["roles"]) == ("viewer", {"shop": "triager"})
        assert github.scopes[-1] == "read:org"
        github.orgs = [("acme", "pending")]
        github.login = "dave"
        assert (await sign_in(client)).status == 403


async def test_projects_keep_lists_of_their_own_and_a_name_taken_off_is_out_at_once(
    settings: Settings, bus: NatsBus, scripted: ScriptedTriage
) -> None:
    async with signing_in(settings, bus) as (_, client, github):
        await client.post("/projects", json={"name": "Shop", "user_id": "u", "project_id": "shop"}, headers=ADMIN)
        for name, role in (("Ann", "viewer"), ("root", "admin")):
            body = {"name": name, "role": role}
            assert (await client.post("/projects/shop/access", json=body, headers=ADMIN)).status == 200
        assert (await sign_in(client)).status == 302
        found = await who(client, "shop")
        assert (found["role"], found["project_id"], found["default_project"]) == ("viewer", "shop", "shop")
        assert (await client.get("/jobs", headers=NOBODY)).status == 200, "the only project is taken by itself"
        hidden = await client.get("/jobs", params={"project_id": "default"}, headers=NOBODY)
        assert hidden.status == 404
        own = {**NOBODY, "Sec-Fetch-Site": "same-origin"}
        refused = await client.post("/clusters/c1/start_fix", params={"project_id": "shop"}, json={}, headers=own)
        problem = await refused.json()
        assert (refused.status, problem["code"]) == (403, "role")
        assert (problem["needed"], problem["held"], problem["granted_by"]) == ("operator", "viewer", ["root"])
        assert "operator in project shop" in problem["detail"]
        assert "root" in problem["detail"]
        assert (await client.get("/projects/shop/access", headers=NOBODY)).status == 403

        github.login = "root"
        assert (await sign_in(client)).status == 302
        listed = await (await client.get("/projects/shop/access", headers=NOBODY)).json()
        assert [(one["name"], one["role"], one["from"]) for one in listed["items"]] == [
            ("ann", "viewer", "project"),
            ("root", "admin", "project"),
        ]
        for made in ({"role": "admin"}, {"role": "admin", "project_id": "default"}):
            answer = await client.post("/keys", json={"name": "wider", **made}, headers=own)
            assert (await answer.json()).get("project_id") in ("shop", None)
            assert answer.status == (201 if "project_id" not in made else 404)
        assert (await client.post("/users", json={"email": "a@b.c"}, headers=own)).status == 403
        assert (await client.delete("/projects/shop/access/user/ROOT", headers=ADMIN)).status == 200
        assert (await client.delete("/projects/shop/access/user/root", headers=ADMIN)).status == 404

        async def out() -> bool:
            return (await client.get("/session", headers=NOBODY)).status == 401

        await eventually(out, within=30)


async def test_a_stream_ends_when_its_viewer_is_taken_off_the_list(settings: Settings, bus: NatsBus) -> None:
    async with signing_in(settings, bus) as (_, client, _github):
        body = {"name": "ann", "role": "viewer"}
        await client.post("/projects/default/access", json=body, headers=ADMIN)
        assert (await sign_in(client)).status == 302
        events = await client.get("/events", headers=NOBODY)
        assert events.status == 200
        await client.delete("/projects/default/access/user/ann", headers=ADMIN)

        async def ended() -> bool:
            return b"" in [await events.content.readline()]

        await eventually(ended, within=60)


@pytest.mark.parametrize(
    "next_", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/a\r\nX: y", ""]
)
async def test_signing_in_leads_to_no_other_site(settings: Settings, bus: NatsBus, next_: str) -> None:
    async with signing_in(settings, bus, "ann=viewer") as (_, client, _github):
        assert (await sign_in(client, next_)).headers["Location"] == "/"


async def test_a_callback_that_was_not_started_in_this_browser_is_refused(settings: Settings, bus: NatsBus) -> None:
    async with signing_in(settings, bus, "ann=viewer") as (_, client, github):
        away = await client.get("/session/github", headers=NOBODY, allow_redirects=False)
        back = URL((await client.session.get(away.headers["Location"], allow_redirects=False)).headers["Location"])
        planted = [
            {"state": "other"},
            {"code": "a" * 20},
            {"code": "../../../x"},
            {"error": "access_denied"},
        ]
        for change in planted:
            answer = await client.get(back.update_query(change).path_qs, headers=BROWSER, allow_redirects=False)
            assert answer.status == 400, change
            assert "not signed in" in await answer.text()
            client.session.cookie_jar.clear()
            again = await client.get("/session/github", headers=NOBODY, allow_redirects=False)
            back = URL((await client.session.get(again.headers["Location"], allow_redirects=False)).headers["Location"])
        client.session.cookie_jar.clear()
        stolen = await client.get(back.path_qs, headers=BROWSER, allow_redirects=False)
        assert stolen.status == 400, "a callback without the cookie of its start"
        assert github.calls == []


async def test_a_code_works_once(settings: Settings, bus: NatsBus) -> None:
    async with signing_in(settings, bus, "ann=viewer") as (_, client, _github):
        away = await client.get("/session/github", headers=NOBODY, allow_redirects=False)
        held = away.headers["Set-Cookie"].partition(";")[0]
        back = URL((await client.session.get(away.headers["Location"], allow_redirects=False)).headers["Location"])
        first = await client.get(back.path_qs, headers={**NOBODY, "Cookie": held}, allow_redirects=False)
        assert first.status == 302
        client.session.cookie_jar.clear()
        second = await client.get(back.path_qs, headers={**NOBODY, "Cookie": held}, allow_redirects=False)
        assert (second.status, (await second.json())["code"]) == (400, "sign_in_refused")


async def test_github_in_trouble_is_said_so_and_nobody_is_signed_in(settings: Settings, bus: NatsBus) -> None:
    async with signing_in(settings, bus, "ann=viewer, org:acme=viewer") as (_, client, github):
        for broken in ("token", "user", "orgs"):
            github.broken = {broken}
            answer = await sign_in(client)
            assert answer.status == 502, broken
            assert "try again" in (await answer.text()).lower()
            assert (await client.get("/session", headers=NOBODY)).status == 401
        assert github.live_tokens == set()


async def test_a_new_sign_in_ends_the_session_before_it(settings: Settings, bus: NatsBus) -> None:
    async with signing_in(settings, bus, "ann=viewer") as (gateway, client, _github):
        first = (await sign_in(client)).headers["Set-Cookie"].partition(";")[0]
        before = set(gateway.directory.sessions.values)
        own = {"Cookie": first, "Sec-Fetch-Site": "same-origin"}
        body = {"json": {"key": ADMIN_KEY}, "headers": {**NOBODY, **own}}
        client.session.cookie_jar.clear()
        assert (await client.post("/session", **body)).status == 201
        client.session.cookie_jar.clear()
        assert not before & set(gateway.directory.sessions.values)
        assert (await client.get("/jobs", headers={**NOBODY, "Cookie": first})).status == 401


async def test_over_tls_the_cookies_are_secure_and_bound_to_the_host(settings: Settings, bus: NatsBus) -> None:
    async with signing_in(settings, bus, "ann=viewer", public_url="https://soulcaster.example") as (_, client, _github):
        away = await client.get("/session/github", headers=NOBODY, allow_redirects=False)
        answer = await client.post("/session", json={"key": ADMIN_KEY}, headers=NOBODY)
        for cookie in (away.headers["Set-Cookie"], answer.headers["Set-Cookie"]):
            assert cookie.startswith("__Host-soulcaster_")
            assert "Secure" in cookie
        name, _, value = answer.headers["Set-Cookie"].partition(";")[0].partition("=")
        assert (await client.get("/jobs", headers={**NOBODY, "Cookie": f"{name}={value}"})).status == 200
        bare = {**NOBODY, "Cookie": f"soulcaster_session={value}"}
        assert (await client.get("/jobs", headers=bare)).status == 401, "a neighbour of the domain may have planted it"


async def test_a_session_of_the_admin_key_ends_with_the_key(settings: Settings, bus: NatsBus) -> None:
    async with started(settings, bus) as (gateway, client):
        cookie = (await client.post("/session", json={"key": ADMIN_KEY}, headers=NOBODY)).headers["Set-Cookie"]
        mine = {**NOBODY, "Cookie": cookie.partition(";")[0]}
        assert (await client.get("/jobs", headers=mine)).status == 200
        gateway.admin_key = "another-admin-key-0123456789"
        assert (await client.get("/jobs", headers=mine)).status == 401


async def test_without_an_oauth_app_only_keys_are_offered(settings: Settings, bus: NatsBus) -> None:
    async with started(settings, bus) as (_, client):
        nobody = await (await client.get("/session", headers=NOBODY)).json()
        assert (nobody["sign_in"], nobody["github_sign_in"]) == (["key"], False)
        answer = await client.get("/session/github", headers=NOBODY)
        assert (answer.status, (await answer.json())["code"]) == (404, "no_sign_in")
