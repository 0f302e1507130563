"""Each source from its documented payload, proven as its vendor proves it, to a cluster that people see."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from aiohttp.test_utils import TestClient

from tests.integration.gateway.conftest import ADMIN_KEY
from tests.support.eventually import eventually
from tests.unit.sources import payloads

Client = TestClient[Any, Any]
SECRET = "a-secret-of-this-test-0123456789"


def signed(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def sfx(body: bytes) -> str:
    return base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()


# What to POST where, with which proof. Header values are made from the raw body.
Proof = Callable[[bytes], dict[str, str]]
SENTRY: Proof = lambda body: {"Sentry-Hook-Signature": signed(body)}  # noqa: E731
GITHUB: Proof = lambda body: {"X-Hub-Signature-256": f"sha256={signed(body)}"}  # noqa: E731
SHARED: Proof = lambda body: {"X-Soulcaster-Secret": SECRET}  # noqa: E731
SPLUNK: Proof = lambda body: {"X-Splunk-Token": SECRET}  # noqa: E731
SFX: Proof = lambda body: {"X-SFX-Signature": sfx(body)}  # noqa: E731
KEY: Proof = lambda body: {"Authorization": f"Bearer {ADMIN_KEY}"}  # noqa: E731

INCIDENT = {
    "incidentId": "F0Wr1", "detector": "Cart latency", "detectorId": "D1", "status": "anomalous",
    "severity": "Critical", "messageTitle": "Cart latency is above 3 s", "messageBody": "p99 of cart is 4.2 s",
    "timestamp": "2026-11-20T21:06:17Z",
}  # fmt: skip
DESTINATION = {
    "event": {"event": "$exception", "uuid": "u-9", "distinct_id": "d", "timestamp": "2026-11-20T21:06:17Z",
              "properties": {"$exception_list": [{"type": "RangeError", "value": "Invalid date", "stacktrace": {
                  "frames": [{"source": "static/date.js", "resolved_name": "format", "line": 3, "in_app": True}]}}]}},
    "person": {"id": "p"},
}  # fmt: skip
POST = {"external_id": "1zyxwv", "title": "Export is empty", "body": "The exported file has zero bytes."}
DELIVERIES: list[tuple[str, str, dict[str, Any], Proof, str]] = [
    ("sentry", "/ingest/sentry", payloads.SENTRY_ALERT, SENTRY, "ZeroDivisionError: division by zero"),
    ("sentry", "/ingest/sentry", payloads.SENTRY_ISSUE, SENTRY, "ZeroDivisionError: division by zero"),
    ("github", "/ingest/github/webhook", payloads.GITHUB, GITHUB, "Total is wrong with two coupons"),
    (
        "github",
        "/ingest/github/webhook",
        payloads.GITHUB_COMMENT,
        GITHUB,
        "Comment on: Total is wrong with two coupons",
    ),
    ("datadog", "/ingest/datadog/webhook", payloads.DATADOG, SHARED, payloads.DATADOG["title"]),
    ("splunk", "/ingest/splunk/webhook", payloads.SPLUNK, SPLUNK, "[Splunk] Cart errors"),
    ("splunk", "/ingest/splunk/webhook", INCIDENT, SFX, "Cart latency is above 3 s"),
    ("posthog", "/ingest/posthog/webhook", payloads.POSTHOG, SHARED, "TypeError: cart.total is not a function"),
    ("posthog", "/ingest/posthog/webhook", DESTINATION, SHARED, "RangeError: Invalid date"),
    ("reddit", "/ingest/reddit", POST, KEY, "Export is empty"),
    ("manual", "/ingest/manual", {"text": "The search is case sensitive"}, KEY, "The search is case sensitive"),
]


async def test_every_documented_payload_becomes_a_report_in_a_cluster(client: Client) -> None:
    for source in ("sentry", "github", "datadog", "splunk", "posthog"):
        assert (await client.post(f"/config/{source}/secret", json={"secret": SECRET})).status == 200
    for source, path, payload, proof, _ in DELIVERIES:
        body = json.dumps(payload).encode()
        headers = {"Authorization": "", "Content-Type": "application/json", **proof(body)}
        answer = await client.post(path, data=body, headers=headers)
        assert (answer.status, (await answer.json())["status"]) == (200, "ok"), (source, await answer.text())

    async def grouped() -> list[dict[str, Any]]:
        found = (await (await client.get("/feedback?limit=100")).json())["items"]
        assert len(found) == len(DELIVERIES)
        return list(found)

    items = (await eventually(grouped, within=60))[::-1]
    assert [(item["source"], item["title"]) for item in items] == [(one[0], one[4]) for one in DELIVERIES]
    clusters = {one["id"]: one for one in await (await client.get("/clusters")).json()}
    for item in items:
        cluster = clusters[item["cluster_id"]]
        assert item["source"] in cluster["sources"]
        assert cluster["title"]
        assert cluster["summary"]
    together = {item["cluster_id"] for item in items[:2]}, {item["cluster_id"] for item in items[2:4]}
    assert [len(ids) for ids in together] == [1, 1]  # an event and its issue, a comment and its issue
    public = {item["source"]: item["trust"] for item in items}
    assert (public["sentry"], public["reddit"], public["manual"]) == ("public", "public", "authenticated")
