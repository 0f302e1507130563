"""Who may do what, as pure rules: roles by project, lists of people, and where a sign-in leads."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.settings import SettingsError, load
from schemas.projects import Project
from services.gateway import access, auth
from services.gateway.access import Grant
from services.gateway.auth import Principal
from services.gateway.routes import TABLE
from services.gateway.settings import Settings

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_the_setting_names_people_and_organisations_with_roles_and_projects() -> None:
    found = access.parse("Ann=admin, org:Acme=viewer, bob=operator@shop,dave")
    assert [(g.kind, g.name, g.role, g.project) for g in found] == [
        ("user", "ann", "admin", None),
        ("org", "acme", "viewer", None),
        ("user", "bob", "operator", "shop"),
        ("user", "dave", "viewer", None),
    ]
    assert access.parse("") == ()


@pytest.mark.parametrize("text", ["ann=root", "=admin", "a b=viewer", "org:=viewer", "ann=viewer=admin", "-x=viewer"])
def test_a_wrong_item_of_the_setting_is_named_and_the_gateway_does_not_start(text: str) -> None:
    with pytest.raises(SettingsError, match="GITHUB_ALLOWED_LOGINS"):
        load(Settings, {"GITHUB_ALLOWED_LOGINS": f"carol=viewer,{text}"})


def test_half_an_oauth_app_does_not_start() -> None:
    app = {"GITHUB_OAUTH_CLIENT_ID": "x"}
    with pytest.raises(SettingsError, match="CLIENT_SECRET"):
        load(Settings, app)
    outside = {**app, "GITHUB_OAUTH_CLIENT_SECRET": "y", "HOST": "0.0.0.0", "ADMIN_KEY": "x" * 20}
    with pytest.raises(SettingsError, match="PUBLIC_URL"):
        load(Settings, {**outside, "SOULCASTER_SECRET_KEY": "x"})


def test_the_higher_of_a_persons_roles_counts() -> None:
    grants = access.parse("ann=viewer, org:acme=operator@shop, ann=triager@shop, org:other=admin")
    assert access.roles_of("ANN", ["Acme"], grants) == ("viewer", {"shop": "operator"})
    assert access.roles_of("eve", [], grants) == ("", {})
    ann = Principal("ann", "viewer", roles={"shop": "operator"})
    assert (ann.role_in("shop"), ann.role_in("blog"), ann.role_in(None)) == ("operator", "viewer", "viewer")
    assert auth.higher("ingest", "") == "ingest"


def test_a_key_of_one_project_has_no_role_elsewhere() -> None:
    key = Principal("ci", "admin", "shop")
    assert key.may("admin", "shop")
    assert not key.may("viewer", "blog")
    assert not key.may("viewer", None)
    assert not key.sees("blog")
    assert key.only_project == "shop"


def test_a_projects_list_is_its_own_whatever_was_stored_in_it() -> None:
    project = Project(id="p", name="P", user_id="u", created_at=NOW)
    stored = access.granted([], Grant(kind="user", name="ann", role="viewer"))
    stored = access.granted(stored, Grant(kind="user", name="ann", role="admin"))
    rows = [{"kind": g.kind, "name": g.name, "role": g.role, "project": "other"} for g in stored]
    kept = Project(id="p", name="P", user_id="u", created_at=NOW, settings={"access": {"grants": rows}})
    assert access.of_project(kept) == (Grant(kind="user", name="ann", role="admin", project="p"),)
    assert access.of_project(project) == ()
    assert access.revoked(stored, "user", "ANN") == []
    broken = Project(id="p", name="P", user_id="u", created_at=NOW, settings={"access": {"grants": "x"}})
    assert access.of_project(broken) == ()


@given(st.text(max_size=80))
def test_no_text_leads_a_sign_in_to_another_site(text: str) -> None:
    for path in (text, "/" + text, "/\\" + text, "//" + text):
        found = auth.local_path(path)
        assert found.startswith("/")
        assert not found.startswith("//")
        assert "\\" not in found
        assert found.isprintable()


def test_the_challenge_is_the_one_of_rfc_7636_appendix_b() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert auth.challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_every_route_that_changes_something_needs_a_role_and_only_sign_in_is_open() -> None:
    open_ = {(route.method, route.path) for route in TABLE if route.role is None}
    assert {pair for pair in open_ if pair[0] != "GET"} == {("POST", "/session"), ("DELETE", "/session")}
    reading = {("POST", "/clusters/{cluster_id}/plan/check")}
    changing = [r for r in TABLE if r.method != "GET" and r.role is not None and (r.method, r.path) not in reading]
    assert [route.path for route in changing if route.role == "viewer"] == []
    assert all(route.role == "admin" for route in changing if route.path.startswith(("/keys", "/config", "/projects")))
