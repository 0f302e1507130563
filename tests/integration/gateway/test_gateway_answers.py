"""Answers are what the OpenAPI document says they are, and GitHub sign-in."""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import msgspec
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from messaging.connection import NatsBus
from schemas import subjects
from schemas import triage_results as results
from schemas.errors import Failure
from schemas.jobs import Report
from schemas.runners import RunnerInfo
from services.gateway import openapi
from services.gateway.context import Gateway
from services.gateway.settings import Settings
from tests.integration.gateway.builders import NOW, cluster, job, log, plan, publish_cluster, put_job, record
from tests.integration.gateway.conftest import ScriptedTriage, started

Client = TestClient[Any, Any]
DOCUMENT = openapi.document()


def check(method: str, path: str, status: int, body: Any) -> None:
    """Validate a body against the schema of its operation and status."""
    answer = DOCUMENT["paths"][path][method]["responses"][str(status)]
    if "$ref" in answer:
        answer = DOCUMENT["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    schema = next(iter(answer["content"].values()))["schema"]
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(whole).validate(body)


def triage_answers() -> dict[str, Any]:
    """One valid answer for each operation that a GET leads to."""
    view = results.ClusterView(
        id="c1", project_id="default", title="t", count=1, status="new", created_at=NOW, updated_at=NOW, revision=1
    )
    report = results.FeedbackView(
        id="f1", project_id="default", source="manual", external_id="e", title="t", created_at=NOW
    )
    detail = results.ClusterDetail(**msgspec.structs.asdict(view), feedback_items=[report])
    run = results.ClusterJob(id="r1", project_id="default", status="succeeded", created_at=NOW)
    return {
        "feedback_list": results.FeedbackPage(items=[report], total=1, limit=100, project_id="default"),
        "feedback_get": report,
        "feedback_update": report,
        "stats": results.Stats(total_feedback=1, by_source={"manual": 1}, total_clusters=1, project_id="default"),
        "search": results.SearchResult(feedback=[report], clusters=[view]),
        "cluster_list": results.ClusterPage(items=[view], total=1, project_id="default"),
        "cluster_get": detail,
        "cluster_edit": view,
        "cluster_merge": results.ClustersChanged(cluster=view),
        "cluster_history": results.HistoryPage(items=[]),
        "proposal_list": results.ProposalPage(items=[]),
        "analyze": results.Analysis(project_id="default", total_clusters=1, healthy_clusters=1, loose_clusters=0),
        "cluster_job_create": run,
        "cluster_job_list": results.ClusterJobPage(jobs=[run], project_id="default"),
        "cluster_job_get": run,
        "clustering_status": results.ClusteringStatus(pending_unclustered=0, is_clustering=False, project_id="default"),
        "export": results.ExportPage(lines=["{}"]),
    }


CALLS: list[tuple[str, str, str, Any]] = [
    ("get", "/", "/", None),
    ("get", "/health", "/health", None),
    ("get", "/livez", "/livez", None),
    ("get", "/readyz", "/readyz", None),
    ("get", "/feedback", "/feedback", None),
    ("get", "/feedback/{feedback_id}", "/feedback/f1", None),
    ("put", "/feedback/{feedback_id}", "/feedback/f1", {"title": "New"}),
    ("get", "/stats", "/stats", None),
    ("get", "/search", "/search?q=x", None),
    ("get", "/clusters", "/clusters", None),
    ("get", "/clusters/analyze", "/clusters/analyze", None),
    ("get", "/clusters/{cluster_id}", "/clusters/c1", None),
    ("patch", "/clusters/{cluster_id}", "/clusters/c1", {"status": "dismissed", "reason": "noise"}),
    ("post", "/clusters/{cluster_id}/merge", "/clusters/c1/merge", {"cluster_ids": ["c2"]}),
    ("get", "/clusters/{cluster_id}/history", "/clusters/c1/history", None),
    ("get", "/proposals", "/proposals", None),
    ("post", "/cluster-jobs", "/cluster-jobs", None),
    ("get", "/cluster-jobs", "/cluster-jobs", None),
    ("get", "/cluster-jobs/{job_id}", "/cluster-jobs/r1", None),
    ("get", "/clustering/status", "/clustering/status", None),
    ("get", "/export", "/export", None),
    ("get", "/clusters/{cluster_id}/plan", "/clusters/c1/plan", None),
    ("get", "/clusters/{cluster_id}/plan/versions", "/clusters/c1/plan/versions", None),
    ("post", "/clusters/{cluster_id}/start_fix", "/clusters/c1/start_fix", {}),
    ("get", "/clusters/{cluster_id}/jobs", "/clusters/c1/jobs", None),
    ("get", "/jobs", "/jobs", None),
    ("get", "/jobs/{job_id}", "/jobs/j1", None),
    ("patch", "/jobs/{job_id}", "/jobs/j1", {}),
    ("get", "/jobs/{job_id}/logs", "/jobs/j1/logs", None),
    ("get", "/jobs/{job_id}/report", "/jobs/j1/report", None),
    ("get", "/runners", "/runners", None),
    ("get", "/dead-letters", "/dead-letters", None),
    ("post", "/ingest/manual", "/ingest/manual", {"text": "x"}),
    ("post", "/users", "/users", {"github_id": "42"}),
    ("get", "/projects", "/projects", None),
    ("post", "/projects", "/projects", {"name": "P", "user_id": "u"}),
    ("patch", "/projects/{project_id}", "/projects/u", {"default_repo_url": "https://github.com/a/b"}),
    ("get", "/keys", "/keys", None),
    ("post", "/keys", "/keys", {"name": "k"}),
    ("get", "/session", "/session", None),
    ("get", "/config/sentry", "/config/sentry", None),
    ("get", "/config/reddit/subreddits", "/config/reddit/subreddits", None),
    ("get", "/config/{integration}/enabled", "/config/sentry/enabled", None),
    ("post", "/admin/trigger-poll", "/admin/trigger-poll", None),
    ("post", "/ingest/posthog/sync", "/ingest/posthog/sync", None),
    ("get", "/polls", "/polls", None),
    ("get", "/jobs/{job_id}", "/jobs/nothing", None),
    ("post", "/ingest/manual", "/ingest/manual", {"text": ""}),
]


async def test_every_answer_is_what_the_document_says(
    client: Client, bus: NatsBus, gateway: Gateway, scripted: ScriptedTriage
) -> None:
    scripted.answers |= triage_answers()
    await publish_cluster(bus, cluster())
    await gateway.plans.records.put("default.c1", record(plan()))
    failure = Failure(kind="verification", reason="Tests fail.", action="Read the report.")
    await put_job(bus, job("j1", status="failed", failure=failure, report=Report(), started_at=NOW, finished_at=NOW))
    await log(bus, 0, "one")
    info = RunnerInfo(runner="r", instance="i", sandbox="local", agent="a", slots=1, started_at=NOW, seen_at=NOW)
    await bus.state(subjects.KV_RUNNERS, RunnerInfo).put("r.i", info)
    for method, path, url, body in CALLS:
        async with client.request(method, url, **({"json": body} if body is not None else {})) as answer:
            found = await answer.json()
            assert answer.status < 300 or path in ("/jobs/{job_id}", "/ingest/manual"), (url, found)
            check(method, path, answer.status, found)


class Provider:
    """GitHub's side of a sign-in."""

    def __init__(self, login: str) -> None:
        self.login, self.forms = login, list[dict[str, str]]()

    async def token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form)
        return web.json_response({"access_token": "t"} if form["code"] == "good" else {"error": "bad"})

    async def user(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer t"
        return web.json_response({"login": self.login})

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/login/oauth/access_token", self.token)
        app.router.add_get("/user", self.user)
        return app


async def sign_in(client: Client, code: str, *, state: str | None = None) -> tuple[int, str, str]:
    """Walk through a sign-in: last status, the session cookie, the PKCE challenge sent."""
    none = {"Authorization": ""}
    begin = await client.get("/session/github", headers=none, allow_redirects=False)
    asked = parse_qs(urlsplit(begin.headers["Location"]).query)
    cookie = begin.headers["Set-Cookie"].partition(";")[0]
    back = await client.get(
        "/session/github/callback",
        params={"code": code, "state": state or asked["state"][0]},
        headers={**none, "Cookie": cookie},
        allow_redirects=False,
    )
    client.session.cookie_jar.clear()
    cookies = [value for value in back.headers.getall("Set-Cookie", []) if value.startswith("soulcaster_session=")]
    return back.status, cookies[0].partition(";")[0] if cookies else "", asked["code_challenge"][0]


async def test_github_sign_in_gives_the_role_on_the_list_and_nobody_else_anything(
    settings: Settings, bus: NatsBus
) -> None:
    provider = Provider("Ann")
    async with TestServer(provider.app()) as server:
        address = str(server.make_url("")).rstrip("/")
        configured = msgspec.structs.replace(
            settings,
            github_oauth_url=address,
            github_api_url=address,
            github_oauth_client_id="id",
            github_oauth_client_secret="secret",
            github_allowed_logins="ann=triager",
        )
        async with started(configured, bus) as (_, client):
            status, cookie, challenge = await sign_in(client, "good")
            assert status == 302
            verifier = provider.forms[0]["code_verifier"]
            digest = hashlib.sha256(verifier.encode()).digest()
            assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == challenge
            who = await (await client.get("/session", headers={"Authorization": "", "Cookie": cookie})).json()
            assert (who["name"], who["role"], who["kind"]) == ("Ann", "triager", "session")
            assert (await sign_in(client, "good", state="another"))[0] == 400
            assert (await sign_in(client, "bad"))[0] == 400
            provider.login = "eve"
            assert (await sign_in(client, "good"))[:2] == (403, "")


async def test_github_sign_in_is_404_when_it_is_not_configured(client: Client, bus: NatsBus) -> None:
    assert (await client.get("/session/github", allow_redirects=False)).status == 404
