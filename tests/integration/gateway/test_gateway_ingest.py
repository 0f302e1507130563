"""Reports coming in: believed only with proof, stored once, refused with the field."""

import asyncio
import hashlib
import hmac
import io
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient

from messaging.connection import NatsBus
from schemas import subjects
from schemas.triage import CallError
from services.gateway.settings import Settings
from tests.integration.gateway.conftest import ADMIN_KEY, ScriptedTriage, started

Client = TestClient[Any, Any]
SECRET = "sentry-client-secret-1"
SENTRY = {
    "action": "created",
    "data": {
        "event": {
            "event_id": "e" * 32,
            "title": "KeyError: 'price'",
            "message": "KeyError: 'price'",
            "level": "error",
            "environment": "production",
            "exception": {"values": [{"type": "KeyError", "value": "'price'"}]},
        }
    },
}


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Sentry's signature header."""
    return {"Sentry-Hook-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


async def count(bus: NatsBus) -> int:
    """Reports stored."""
    return await bus.count(subjects.FEEDBACK)


async def test_a_program_that_crashed_with_a_nul_in_its_memory_is_reported(client: Client, bus: NatsBus) -> None:
    event = {"event_id": "e9", "title": "Bad\x00bytes", "contexts": {"memory\x00": "a\x00b"}}
    answer = await client.post("/ingest/sentry", json={"action": "triggered", "data": {"event": event}})
    assert (answer.status, (await answer.json())["status"], await count(bus)) == (200, "ok", 1)


async def test_what_is_resolved_opened_and_resolved_again_is_told_each_time(client: Client, bus: NatsBus) -> None:
    async def deliver(action: str, delivery: str) -> str:
        issue = {"id": "9", "shortId": "SHOP-9", "title": "Total is wrong", "lastSeen": "2026-11-20T21:06:17Z"}
        body = msgspec.json.encode({"action": action, "data": {"issue": issue}})
        headers = {"Request-ID": delivery, "Content-Type": "application/json"}
        answer = await client.post("/ingest/sentry", data=io.BytesIO(body), headers=headers)
        return str((await answer.json())["status"])

    said = [await deliver(action, f"d{n}") for n, action in enumerate(["resolved", "unresolved", "resolved"])]
    assert (said, await count(bus)) == (["ok", "ok", "ok"], 3)
    assert (await deliver("resolved", "d2"), await count(bus)) == ("duplicate", 3)
    assert (await deliver("created", "d4"), await deliver("created", "d5")) == ("ok", "duplicate")


async def test_without_a_secret_a_webhook_is_believed_only_with_a_key(client: Client, bus: NatsBus) -> None:
    stranger = await client.post("/ingest/sentry", json=SENTRY, headers={"Authorization": ""})
    assert (stranger.status, (await stranger.json())["code"]) == (401, "no_secret")
    first = await (await client.post("/ingest/sentry", json=SENTRY)).json()
    second = await (await client.post("/ingest/sentry", json=SENTRY)).json()
    assert (first["status"], second["status"], first["id"]) == ("ok", "duplicate", second["id"])
    assert await count(bus) == 1


async def test_with_a_secret_only_its_signature_counts_and_a_rotation_keeps_two(client: Client, bus: NatsBus) -> None:
    body = msgspec.json.encode(SENTRY)
    await client.post("/config/sentry/secret", json={"secret": SECRET})
    proof = {"Authorization": "", **signed(body)}
    unsigned = [{}, {"Sentry-Hook-Signature": ""}, {"Sentry-Hook-Signature": "ff"}, signed(body, "another-secret")]
    for headers in unsigned:
        assert (await client.post("/ingest/sentry", data=io.BytesIO(body), headers=headers)).status == 401
    flipped = body.replace(b"price", b"pricf", 1)
    assert (await client.post("/ingest/sentry", data=io.BytesIO(flipped), headers=signed(body))).status == 401
    assert await count(bus) == 0
    assert (await client.post("/ingest/sentry", data=io.BytesIO(body), headers=proof)).status == 200
    await client.post("/config/sentry/secret", json={"secret": "second-secret"})
    assert (await client.post("/ingest/sentry", data=io.BytesIO(body), headers=proof)).status == 200
    await client.post("/config/sentry/secret", json={"secret": "third-secret-x"})
    assert (await client.post("/ingest/sentry", data=io.BytesIO(body), headers=proof)).status == 401
    shown = await (await client.get("/config/sentry")).json()
    assert shown["secret"] == {"set": True, "last4": "et-x", "count": 2}
    assert "third-secret" not in str(shown)


async def test_fifty_concurrent_deliveries_are_one_report(client: Client, bus: NatsBus) -> None:
    answers = await asyncio.gather(*(client.post("/ingest/sentry", json=SENTRY) for _ in range(50)))
    statuses = [(await answer.json())["status"] for answer in answers]
    assert (statuses.count("ok"), statuses.count("duplicate")) == (1, 49)
    assert await count(bus) == 1


async def test_filters_and_switches_answer_filtered_and_store_nothing(client: Client, bus: NatsBus) -> None:
    await client.post("/config/sentry/levels", json={"levels": ["fatal"]})
    answer = await (await client.post("/ingest/sentry", json=SENTRY)).json()
    assert answer["status"] == "filtered"
    await client.post("/config/sentry/levels", json={"levels": []})
    await client.post("/config/sentry/enabled", json={"enabled": False})
    assert await (await client.get("/config/sentry/enabled")).json() == {"enabled": False}
    assert (await (await client.post("/ingest/sentry", json=SENTRY)).json())["status"] == "filtered"
    assert await count(bus) == 0
    await client.post("/config/sentry/enabled", json={"enabled": True})
    assert (await (await client.post("/ingest/sentry", json=SENTRY)).json())["status"] == "ok"


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        ("sentry", "allowed_levels", "levels"),
        ("sentry", "allowed_environments", "environments"),
        ("datadog", "allowed_monitors", "monitors"),
        ("splunk", "allowed_searches", "searches"),
    ],
)
async def test_filters_are_set_and_shown_by_their_old_names_too(
    client: Client, bus: NatsBus, source: str, old: str, new: str
) -> None:
    assert (await client.post(f"/config/{source}", json={old: ["one"]})).status == 200
    shown = await (await client.get(f"/config/{source}")).json()
    assert shown[old] == shown[new] == ["one"]
    assert (await client.post("/config/reddit/subreddits", json={"subreddits": []})).status == 400


async def test_splunk_needs_its_token_wherever_it_is_sent(client: Client, bus: NatsBus) -> None:
    alert = {"result": {"_raw": "boom", "host": "a"}, "sid": "s1", "search_name": "Errors"}
    assert (await client.post("/ingest/splunk/webhook", json=alert)).status == 401
    await client.post("/config/splunk/token", json={"token": "splunk-token-1"})
    path = "/ingest/splunk/webhook"
    assert (await client.post(path, json=alert, params={"token": "wrong"})).status == 401
    assert (await client.post(path, json=alert, params={"token": "splunk-token-1"})).status == 200
    assert (await client.post(path, json=alert, headers={"X-Splunk-Token": "splunk-token-1"})).status == 200
    assert await count(bus) == 1


async def test_a_github_webhook_may_be_large_and_must_be_signed(client: Client, bus: NatsBus) -> None:
    await client.post("/config/github/secret", json={"secret": SECRET})
    issue = {
        "id": 1,
        "number": 7,
        "title": "It breaks",
        "body": "x" * 3_000_000,
        "html_url": "https://github.com/a/b/issues/7",
    }
    body = msgspec.json.encode({"action": "opened", "issue": issue, "repository": {"full_name": "a/b"}})
    mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    good = {"Authorization": "", "X-Hub-Signature-256": f"sha256={mac}", "X-GitHub-Event": "issues"}
    answer = await client.post("/ingest/github/webhook", data=io.BytesIO(body), headers=good)
    assert (answer.status, (await answer.json())["status"]) == (200, "ok")
    assert (await client.post("/ingest/github/webhook", data=io.BytesIO(body))).status == 401
    assert (await client.post("/ingest/sentry", data=io.BytesIO(body))).status == 413
    assert await count(bus) == 1


MANUAL_REFUSED: list[tuple[bytes, int, str]] = [
    (b"", 400, ""),
    (b"{", 400, ""),
    (b"\xff\xfe", 400, ""),
    (b'{"text":"caf\xe9"}', 400, ""),
    (b'{"\xff":1}', 400, ""),
    (b"NaN", 400, ""),
    (b"null", 422, "body"),
    (b"[]", 422, "body"),
    (b'"text"', 422, "body"),
    (b"{}", 422, "text"),
    (b'{"text":null}', 422, "text"),
    (b'{"text":5}', 422, "text"),
    (b'{"text":["a"]}', 422, "text"),
    (b'{"text":"  "}', 422, "text"),
    (b'{"text":"a\\u0000b"}', 422, "text"),
    (b'{"text":"ok","title":7}', 422, "title"),
    (b'{"text":"ok","github_repo_url":"' + b"x" * 2000 + b'"}', 422, "github_repo_url"),
    (b'{"text":' + b"[" * 100 + b"]" * 100 + b"}", 422, "body"),
    (b"[" * 500_000, 422, "body"),
    (b'{"text":"' + b"x" * 1_100_000 + b'"}', 413, ""),
    (b'{"text":1e999}', 400, ""),
]


async def test_hostile_manual_reports_are_refused_with_the_field_and_not_stored(client: Client, bus: NatsBus) -> None:
    for body, status, field in MANUAL_REFUSED:
        answer = await client.post("/ingest/manual", data=io.BytesIO(body))
        problem = await answer.json()
        assert answer.status == status, (body[:60], problem)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert not field or problem["errors"][0]["field"] == field, problem
    assert await count(bus) == 0


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Encoding": "gzip"}, 400, "bad_body"),
        ({"Content-Encoding": "deflate"}, 400, "bad_body"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "form"),
    ],
)
async def test_a_body_that_is_not_what_its_headers_say_is_refused_with_the_reason(
    client: Client, bus: NatsBus, headers: dict[str, str], status: int, code: str
) -> None:
    for path in ("/ingest/manual", "/ingest/sentry", "/ingest/github/webhook"):
        answer = await client.post(path, data=io.BytesIO(b"payload=%7B%7D"), headers=headers)
        assert (answer.status, (await answer.json())["code"]) == (status, code)
    assert await count(bus) == 0


HOSTILE: list[Any] = [
    [],
    "x",
    {"data": None},
    {"data": []},
    {"data": {"event": None}},
    {"data": {"event": {"exception": None, "event_id": 5}}},
    {"data": {"event": {"exception": {"values": [None, 1, {"stacktrace": {"frames": "x"}}]}, "event_id": {}}}},
    {"result": None, "sid": None},
    {"result": [], "sid": {}},
    {"id": 1, "date": "not a date", "title": []},
    {"id": "x", "date": 10**20, "title": "t"},
    {"id": "x", "date": -(10**18), "body": {}},
    {"hook": None, "data": {"event": 7, "timestamp": "99999-01-01"}},
    {"data": {"event": "$exception", "timestamp": 1e300, "properties": []}},
    {"action": {}, "issue": {"id": [], "number": "x"}},
    {"issue": {"id": 1, "number": 10**30, "title": None}, "repository": 3},
    {"title": "x", "external_id": "y", "created_at": "0000-00-00T00:00:00Z"},
    {"title": {"$gt": ""}, "external_id": "\r\nX: y"},
    {"\u202e": "x" * 5000},
]


@pytest.mark.parametrize("source", ["sentry", "datadog/webhook", "posthog/webhook", "reddit"])
async def test_hostile_deliveries_are_never_our_fault(client: Client, bus: NatsBus, source: str) -> None:
    for payload in HOSTILE:
        answer = await client.post(f"/ingest/{source}", json=payload)
        assert answer.status < 500, (payload, await answer.text())
        assert answer.status == 200 or (await answer.json())["detail"]


async def test_a_flood_of_one_source_is_limited_without_hurting_another(settings: Settings, bus: NatsBus) -> None:
    tight = msgspec.structs.replace(settings, ingest_rate=0.5, ingest_burst=3)
    async with started(tight, bus) as (_, client):
        answers = [await client.post("/ingest/sentry", json=SENTRY) for _ in range(5)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert (await client.post("/ingest/manual", json={"text": "still heard"})).status == 200


async def test_a_flood_of_forgeries_does_not_use_up_the_limit_of_the_source(settings: Settings, bus: NatsBus) -> None:
    tight = msgspec.structs.replace(settings, ingest_rate=0.5, ingest_burst=3)
    async with started(tight, bus) as (_, client):
        await client.post("/config/sentry/secret", json={"secret": "the-one-secret"})
        forged = [await client.post("/ingest/sentry", json=SENTRY) for _ in range(8)]
        assert {answer.status for answer in forged} == {401}
        body = msgspec.json.encode(SENTRY)
        signature = hmac.new(b"the-one-secret", body, hashlib.sha256).hexdigest()
        headers = {"Sentry-Hook-Signature": signature, "Content-Type": "application/json"}
        assert (await client.post("/ingest/sentry", data=body, headers=headers)).status == 200


async def test_a_quota_is_told_with_its_numbers(settings: Settings, bus: NatsBus, scripted: ScriptedTriage) -> None:
    scripted.answers["quota"] = {"feedback": 10, "clusters": 1, "by_project": {"default": 10}}
    small = msgspec.structs.replace(settings, quota_feedback=10)
    async with started(small, bus) as (_, client):
        answer = await client.post("/ingest/manual", json={"text": "one more"})
        body = await answer.json()
    assert answer.status == 429
    assert (body["code"], body["current_count"], body["limit"], body["requested"]) == ("quota_exceeded", 10, 10, 1)


async def test_concurrent_deliveries_do_not_pass_a_quota_together(
    settings: Settings, bus: NatsBus, scripted: ScriptedTriage
) -> None:
    scripted.answers["quota"] = {"feedback": 7, "clusters": 1, "by_project": {"default": 7}}
    async with started(msgspec.structs.replace(settings, quota_feedback=10), bus) as (gateway, client):
        calls = [client.post("/ingest/manual", json={"text": f"text {n}"}) for n in range(12)]
        answers = [answer.status for answer in await asyncio.gather(*calls)]
        assert (answers.count(200), answers.count(429)) == (3, 9)
        asked = [name for name, _ in scripted.asked].count("quota")
        assert (await client.post("/ingest/manual", json={"text": "full"})).status == 429
        assert [name for name, _ in scripted.asked].count("quota") == asked  # not each time
        scripted.answers["quota"] = CallError(status=503, code="unavailable", detail="the database is locked")
        gateway.quotas.seconds = 0.0
        assert (await client.post("/ingest/manual", json={"text": "still full"})).status == 429


async def test_a_report_is_taken_in_while_nobody_can_tell_the_quota(settings: Settings, bus: NatsBus) -> None:
    small = msgspec.structs.replace(settings, quota_feedback=10, request_seconds=0.2)
    async with started(small, bus) as (_, client):
        assert (await client.post("/ingest/manual", json={"text": "triage is away"})).status == 200


async def test_an_unknown_project_takes_nothing(client: Client, bus: NatsBus) -> None:
    for name, status in (("nobody", 404), ("a.b", 422), ("*", 422), ("a" * 65, 422)):
        answer = await client.post("/ingest/manual", params={"project_id": name}, json={"text": "x"})
        assert answer.status == status, name
    assert (await client.post("/ingest/manual", json={"text": "x", "project_id": "nobody"})).status == 404
    assert await count(bus) == 0


async def test_without_a_default_project_the_id_is_required(settings: Settings, bus: NatsBus) -> None:
    async with started(msgspec.structs.replace(settings, default_project=""), bus) as (_, client):
        answer = await client.post("/ingest/manual", json={"text": "x"})
        assert (answer.status, (await answer.json())["detail"]) == (400, "project_id is required")
        made = await client.post("/projects", json={"name": "Mine", "user_id": "u1", "project_id": "mine"})
        assert made.status == 200
        assert (await client.post("/ingest/manual?project_id=mine", json={"text": "x"})).status == 200


async def test_the_broker_away_is_503_and_says_when_to_come_back(client: Client, nats: Any) -> None:
    await nats.stop()
    answer = await client.get("/jobs/j1")
    assert (answer.status, (await answer.json())["code"]) == (503, "broker_unavailable")
    assert "Retry-After" in answer.headers
    ready = await client.get("/readyz")
    assert (ready.status, (await ready.json())["code"]) == (503, "not_ready")
    assert (await client.get("/livez")).status == 200
    assert ADMIN_KEY not in await ready.text()
