"""The OpenAPI document: in step with the code, valid, and with every route of the promised surface."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from services.gateway import openapi, reference
from services.gateway.problem_codes import CODES
from services.gateway.routes import TABLE

ROOT = Path(__file__).parents[2]
DOCUMENT = openapi.document()

KEPT = """
GET /
GET /health
POST /users
GET /projects
POST /projects
POST /ingest/manual
POST /ingest/reddit
POST /ingest/sentry
POST /ingest/splunk/webhook
POST /ingest/datadog/webhook
POST /ingest/posthog/webhook
POST /ingest/posthog/sync
POST /ingest/github/sync/{owner}/{repo}
GET /config/sentry
POST /config/sentry
GET /config/splunk
POST /config/splunk
GET /config/datadog
POST /config/datadog
GET /config/posthog
POST /config/posthog
GET /config/reddit/subreddits
POST /config/reddit/subreddits
POST /config/sentry/secret
POST /config/datadog/secret
POST /config/splunk/token
POST /config/splunk/searches
POST /config/datadog/monitors
POST /config/posthog/events
POST /config/sentry/environments
POST /config/sentry/levels
GET /config/{integration}/enabled
POST /config/{integration}/enabled
POST /admin/trigger-poll
GET /feedback
GET /feedback/{feedback_id}
PUT /feedback/{feedback_id}
GET /stats
GET /clusters
GET /clusters/{cluster_id}
GET /clusters/analyze
POST /clusters/cleanup
POST /cluster-jobs
GET /cluster-jobs
GET /cluster-jobs/{job_id}
GET /clustering/status
GET /clusters/{cluster_id}/plan
POST /clusters/{cluster_id}/plan
POST /clusters/{cluster_id}/start_fix
GET /clusters/{cluster_id}/jobs
GET /jobs
POST /jobs
GET /jobs/{job_id}
PATCH /jobs/{job_id}
GET /jobs/{job_id}/logs
POST /api/trigger-agent
PATCH /clusters/{cluster_id}
POST /clusters/{cluster_id}/merge
POST /clusters/{cluster_id}/split
POST /clusters/{cluster_id}/move
POST /clusters/{cluster_id}/undo
GET /clusters/{cluster_id}/history
PATCH /clusters/{cluster_id}/plan
GET /clusters/{cluster_id}/plan/versions
GET /jobs/{job_id}/events
GET /jobs/{job_id}/logs/stream
GET /events
GET /jobs/{job_id}/logs/raw
GET /jobs/{job_id}/patch
GET /jobs/{job_id}/report
POST /jobs/{job_id}/cancel
POST /jobs/{job_id}/retry
POST /jobs/{job_id}/approve
GET /runners
GET /dead-letters
POST /dead-letters/{letter_id}/retry
DELETE /dead-letters/{letter_id}
POST /ingest/github/webhook
GET /keys
POST /keys
DELETE /keys/{key_id}
POST /session
GET /session
DELETE /session
GET /livez
GET /readyz
GET /metrics
"""


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation object."""
    return [(method, path, one) for path, methods in DOCUMENT["paths"].items() for method, one in methods.items()]


@pytest.mark.parametrize("line", KEPT.split("\n")[1:-1])
def test_every_promised_route_is_served(line: str) -> None:
    method, path = line.split()
    assert method.lower() in DOCUMENT["paths"].get(path, {})


def test_the_kept_document_is_what_the_routes_say() -> None:
    kept = ROOT / "docs" / "reference" / "openapi.json"
    assert kept.read_text(encoding="utf-8") == openapi.text(), (
        "run: python -m services.gateway.openapi --write docs/reference/openapi.json"
    )


def test_every_reference_leads_somewhere() -> None:
    for found in re.findall(r'"\$ref": "#/([^"]+)"', openapi.text()):
        here: Any = DOCUMENT
        for part in found.split("/"):
            here = here[part]


def test_every_schema_is_a_valid_schema() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_operations_have_unique_names_and_say_what_they_do() -> None:
    names = [one["operationId"] for _, _, one in operations()]
    assert len(names) == len(set(names))
    for _, path, one in operations():
        assert one["summary"], path
        assert (
            "least role" in one["description"].lower()
            or "open to all" in one["description"].lower()
            or ("signed by" in one["description"].lower())
        )


def test_every_path_parameter_is_described() -> None:
    for _, path, one in operations():
        named = {part["name"] for part in one["parameters"] if part["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))


def test_every_problem_code_in_the_code_is_explained_and_none_more() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "services" / "gateway").rglob("*.py"))
    used = set(re.findall(r'Problem\(\s*\d{3},\s*"(\w+)"', source)) | set(
        re.findall(r'unavailable\(\s*"(\w+)"', source)
    )
    used = {f"{name}_unavailable" if f'unavailable("{name}"' in source else name for name in used}
    used |= set(re.findall(r'not_found\([^)]*, "(\w+)"\)', source))
    used |= {"invalid", "refused", "not_found"}
    triage = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "services" / "triage").glob("*.py"))
    used |= set(re.findall(r'Problem\(409, "(\w+)"', triage))  # answered to callers as they are
    assert used - set(CODES) == set()
    assert set(CODES) - used == set()
    page = reference.render(DOCUMENT)
    assert all(f'id="{code}"' in page for code in CODES)


def test_what_starts_work_takes_an_idempotency_key() -> None:
    for path in ("/clusters/{cluster_id}/start_fix", "/clusters/{cluster_id}/plan", "/jobs", "/ingest/manual"):
        names = {part["name"] for part in DOCUMENT["paths"][path]["post"]["parameters"]}
        assert "Idempotency-Key" in names


def test_no_route_is_open_by_accident() -> None:
    open_routes = {(route.method, route.path) for route in TABLE if route.role is None}
    assert open_routes == {
        ("GET", "/"),
        ("GET", "/docs"),
        ("GET", "/health"),
        ("GET", "/livez"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("GET", "/readyz"),
        ("POST", "/session"),
        ("GET", "/session"),
        ("DELETE", "/session"),
        ("GET", "/session/github"),
        ("GET", "/session/github/callback"),
    }
