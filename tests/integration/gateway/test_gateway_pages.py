"""Pages for people, settings, projects, GitHub, operations."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from messaging.connection import NatsBus
from schemas import subjects
from schemas.base import decode, encode
from schemas.errors import DeadLetter
from schemas.jobs import FixRequest
from schemas.runners import RunnerInfo
from services.gateway.context import Gateway
from services.gateway.settings import Settings
from tests.integration.gateway.builders import NOW, everything, job, put_job
from tests.integration.gateway.conftest import ScriptedTriage, started
from tests.support.eventually import eventually

Client = TestClient[Any, Any]
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


async def test_the_dashboard_is_served_to_browsers_and_data_to_programs(
    settings: Settings, bus: NatsBus, tmp_path: Path
) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<p>dashboard</p>")
    (tmp_path / "assets" / "app.js").write_text("1")
    (tmp_path / "leak").symlink_to("/etc/passwd")
    built = msgspec.structs.replace(settings, dashboard_dir=str(tmp_path))
    async with started(built, bus) as (_, client):
        for path in ("/", "/clusters/c1", "/clusters/c1/plan", "/feedback/f1", "/jobs", "/jobs/j1", "/some/page"):
            answer = await client.get(path, headers=BROWSER)
            assert "dashboard" in await answer.text(), path
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert (await (await client.get("/")).json())["status"] == "ok"
        assert await (await client.get("/jobs")).json() == []
        scripted = {**BROWSER, "Sec-Fetch-Mode": "cors"}  # a script of a page asks for data, whatever it accepts
        assert await (await client.get("/jobs", headers=scripted)).json() == []
        for path in ("/clusters/c1/plan", "/jobs/j1"):
            answer = await client.get(path, headers={"Accept": "*/*"})
            assert (answer.status, answer.content_type) == (404, "application/problem+json"), path
        asset = await client.get("/assets/app.js")
        assert (asset.status, "immutable" in asset.headers["Cache-Control"]) == (200, True)
        for path in ("/leak", "/assets/%2e%2e/%2e%2e/etc/passwd", "/%2e%2e/secret", "/assets/none.js", "/a%00b"):
            assert (await client.get(path)).status == 404, path


async def test_without_a_dashboard_a_browser_is_told_what_to_do(client: Client, bus: NatsBus) -> None:
    text = await (await client.get("/", headers=BROWSER)).text()
    assert "not built" in text or "<div" in text


async def test_the_reference_explains_every_route_and_runs_nothing(client: Client, bus: NatsBus) -> None:
    answer = await client.get("/docs")
    text = await answer.text()
    assert "/clusters/{cluster_id}/start_fix" in text
    assert 'id="fix_already_running"' in text
    assert "<script" not in text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_a_local_pull_request_is_a_page_that_runs_nothing_it_holds(client: Client, bus: NatsBus) -> None:
    record = {
        "title": "Fix <script>alert(1)</script>",
        "body": "\u202eevil<img src=x onerror=1>",
        "branch": "soulcaster/j1",
        "draft": True,
    }
    await bus.objects().put("pulls/default/j1.json", msgspec.json.encode(record))
    await bus.objects().put("patches/default/j1/1.diff", b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new </pre>\n")
    await put_job(bus, job("j1", status="success", patch_key="patches/default/j1/1.diff"))
    assert await (await client.get("/pulls/default/j1")).json() == record
    text = await (await client.get("/pulls/default/j1", headers=BROWSER)).text()
    assert "<script>" not in text
    assert "<img" not in text
    assert "U+202E" in text
    assert '<span class="add">+new &lt;/pre&gt;</span>' in text
    assert (await client.get("/pulls/default/none", headers=BROWSER)).status == 404
    diff = await client.get("/jobs/j1/patch")
    assert (diff.headers["Content-Type"], b"+new" in await diff.read()) == ("text/x-diff; charset=utf-8", True)


async def test_settings_are_kept_and_secrets_never_shown(client: Client, bus: NatsBus) -> None:
    await client.post("/config/splunk", json={"webhook_token": "token-number-one", "allowed_searches": ["Errors"]})
    shown = await (await client.get("/config/splunk")).json()
    assert shown["webhook_token"] == {"set": True, "last4": "-one", "count": 1}
    assert (shown["allowed_searches"], shown["enabled"]) == (["Errors"], True)
    kept = b"".join(one.data for one in await everything(bus, "KV_projects", "$KV.projects.>"))
    assert b"token-number-one" not in kept
    assert (await client.delete("/config/splunk/secret")).status == 200
    assert (await (await client.get("/config/splunk")).json())["secret"]["set"] is False
    subs = await client.post("/config/reddit/subreddits", json={"subreddits": [" r/Python ", "python", "/r/Rust/"]})
    assert (await subs.json())["subreddits"] == ["python", "rust"]
    assert (await client.post("/config/reddit/subreddits", json={"subreddits": [" "]})).status == 400
    assert (await client.get("/config/myspace/enabled")).status == 400
    poll = await (await client.post("/admin/trigger-poll")).json()
    assert poll["status"] == "ok"


async def test_users_and_projects_are_made_once(client: Client, bus: NatsBus, scripted: ScriptedTriage) -> None:
    one = await (await client.post("/users", json={"email": "A@x.org"})).json()
    two = await (await client.post("/users", json={"email": "a@x.org"})).json()
    assert one["default_project"] == two["default_project"]
    body = {"name": "P", "user_id": "u1", "project_id": "p1"}
    assert (await client.post("/projects", json=body)).status == 200
    assert (await client.post("/projects", json=body)).status == 200
    assert (await client.post("/projects", json={**body, "user_id": "u2"})).status == 409
    chosen = {"runner": "aws_kilo", "concurrency": 2, "default_repo_url": "https://github.com/a/b"}
    edited = (await (await client.patch("/projects/p1", json=chosen)).json())["project"]
    assert chosen.items() <= edited.items()
    scripted.answers["delete_project"] = {"feedback": 3, "clusters": 1, "messages": 4}
    assert (await (await client.delete("/projects/p1")).json())["feedback"] == 3
    assert (await client.get("/jobs?project_id=p1")).status == 404
    assert (await client.delete("/projects/default")).status == 409


class Github:
    """A double of the few REST routes used."""

    def __init__(self) -> None:
        self.issues: list[dict[str, Any]] = []
        self.created: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self.queries: list[dict[str, str]] = []
        self.answer_lost = False

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/repos/{owner}/{repo}/issues/{number}", self.one)
        app.router.add_get("/repos/{owner}/{repo}/issues", self.list)
        app.router.add_post("/repos/{owner}/{repo}/issues", self.create)
        return app

    async def one(self, request: web.Request) -> web.Response:
        if request.match_info["number"] != "7":
            return web.json_response({"message": "Not Found"}, status=404)
        return web.json_response(
            {"number": 7, "title": "It breaks", "body": "b", "html_url": "https://github.com/a/b/issues/7"}
        )

    async def list(self, request: web.Request) -> web.Response:
        self.queries.append(dict(request.query))
        return web.json_response(self.issues if request.query.get("page", "1") == "1" else [])

    async def create(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers.get("Authorization", ""))
        self.created.append(await request.json())
        if self.answer_lost:
            page = "https://github.com/a/b/issues/8"
            self.issues.append({**self.created[-1], "number": 8, "html_url": page})
            return web.Response(status=502, text="bad gateway")
        return web.json_response({"number": 8, "html_url": "https://github.com/a/b/issues/8", "title": "t"}, status=201)


@pytest_asyncio.fixture
async def github() -> AsyncIterator[tuple[Github, str]]:
    """The double and its address."""
    double = Github()
    async with TestServer(double.app()) as server:
        yield double, str(server.make_url("")).rstrip("/")


async def test_the_legacy_route_validates_or_creates_the_issue_then_asks_for_the_aws_runner(
    settings: Settings, bus: NatsBus, github: tuple[Github, str]
) -> None:
    double, address = github
    path = "/api/trigger-agent"
    async with started(msgspec.structs.replace(settings, github_api_url=address), bus) as (_, client):
        assert (await client.post(path, json={"issue_url": "https://example.com/x"})).status == 400
        missing = await client.post(path, json={"issue_url": "https://github.com/a/b/issues/9"})
        assert (missing.status, (await missing.json())["detail"]) == (404, "Issue not found or inaccessible")
        good = await client.post(path, json={"issue_url": "https://github.com/a/b/issues/7"})
        body = await good.json()
        assert (good.status, body["success"], body["issue_url"]) == (200, True, "https://github.com/a/b/issues/7")
        assert (await client.post(path, json={"context": "x", "repo_url": "https://github.com/a/b"})).status == 400
        token = {"X-GitHub-Token": "ghp_token"}
        assert (await client.post(path, json={"context": "x"}, headers=token)).status == 400
        made = await client.post(path, json={"context": "x", "owner": "a", "repo": "b"}, headers=token)
        assert (await made.json())["issue_url"] == "https://github.com/a/b/issues/8"
    assert double.created[0]["title"].startswith("Automated Fix Request: ")
    assert double.tokens == {"Bearer ghp_token"}
    requests = [decode(one.data, FixRequest) for one in await bus.page(subjects.REQUESTS, "requests.fix.>")]
    assert [(one.runner, one.repo_url) for one in requests] == [("aws_kilo", "https://github.com/a/b")] * 2


async def test_an_issue_whose_creation_was_not_confirmed_is_found_and_not_made_again(
    settings: Settings, bus: NatsBus, github: tuple[Github, str]
) -> None:
    double, address = github
    async with started(msgspec.structs.replace(settings, github_api_url=address), bus) as (_, client):
        double.answer_lost = True
        body = {"issue_title": "Broken", "issue_description": "It breaks", "owner": "a", "repo": "b"}
        made = await client.post("/api/trigger-agent", json=body, headers={"X-GitHub-Token": "ghp_token"})
        answer = await made.json()
        assert (made.status, answer["issue_url"]) == (200, "https://github.com/a/b/issues/8"), answer
        assert answer.keys() >= {"success", "message", "taskArn", "issue_url"}
        assert len(double.created) == 1
        double.issues.clear()
        double.answer_lost = False
        async with client.patch("/projects/default", json={"budget": {"tokens_day": 0}}) as changed:
            assert changed.status == 200
        refused = await client.post("/api/trigger-agent", json=body, headers={"X-GitHub-Token": "ghp_token"})
        assert (refused.status, (await refused.json())["code"], len(double.created)) == (429, "budget_spent", 1)


@pytest.mark.parametrize(
    ("now", "body", "status", "message"),
    [
        ("running", {"status": "cancelled"}, 200, "Cancelling"),
        ("running", {"status": "running"}, 200, "No updates provided"),
        ("success", {"status": "success", "pr_url": "https://x/pull/1"}, 200, "No updates provided"),
        ("success", {"status": "success", "logs": ""}, 200, "No updates provided"),
        ("running", {}, 200, "No updates provided"),
        ("pending", {"status": "running"}, 409, "only by its runner"),
        ("running", {"status": "success", "pr_url": "https://x/pull/1"}, 409, "only by its runner"),
        ("success", {"status": "pending"}, 409, "cannot become pending"),
        ("failed", {"status": "cancelled"}, 409, "cannot become cancelled"),
        ("success", {"pr_url": "https://x/pull/2"}, 409, "runner only"),
        ("running", {"logs": "hello"}, 409, "runner only"),
        ("running", {"status": "done"}, 422, ""),
    ],
)
async def test_a_patch_of_a_job_follows_its_state_machine(
    client: Client, bus: NatsBus, now: str, body: dict[str, str], status: int, message: str
) -> None:
    url = "https://x/pull/1" if now == "success" else None
    await put_job(bus, job("j1", status=now, pr_url=url))
    answer = await client.patch("/jobs/j1", json=body)
    said = await answer.json()
    assert (answer.status, message in said.get("message", said.get("detail", ""))) == (status, True), said
    cancels = await bus.page(subjects.REQUESTS, "requests.cancel.>")
    assert len(cancels) == (message == "Cancelling")


async def test_a_github_sync_goes_on_from_the_newest_issue_it_stored(
    settings: Settings, bus: NatsBus, github: tuple[Github, str]
) -> None:
    double, address = github
    issue = {
        "id": 1,
        "number": 1,
        "title": "One",
        "state": "open",
        "html_url": "https://github.com/a/b/issues/1",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-02T00:00:00Z",
        "user": {"login": "x"},
    }
    double.issues = [issue, {**issue, "id": 2, "number": 2, "pull_request": {}}]
    path = "/ingest/github/sync/a/b"
    async with started(msgspec.structs.replace(settings, github_api_url=address), bus) as (_, client):
        first = await (await client.post(path)).json()
        assert (first["new_issues"], first["updated_issues"], first["total_issues"]) == (1, 0, 1)
        double.issues = [{**issue, "state": "closed", "updated_at": "2026-01-03T00:00:00Z"}]
        second = await (await client.post(path)).json()
        assert (second["new_issues"], second["archived_issues"], len(second["synced_ids"])) == (0, 1, 1)
        third = await (await client.post(path)).json()
        assert (third["total_issues"], third["synced_ids"]) == (1, [])
    assert [query.get("since") for query in double.queries[:3]] == [
        None,
        "2026-01-02T00:00:00Z",
        "2026-01-03T00:00:00Z",
    ]
    assert await bus.count(subjects.FEEDBACK) == 2


async def test_github_away_is_502(settings: Settings, bus: NatsBus) -> None:
    away = msgspec.structs.replace(settings, github_api_url="http://127.0.0.1:9")
    async with started(away, bus) as (_, client):
        answer = await client.post("/ingest/github/sync/a/b")
        assert (answer.status, (await answer.json())["code"]) == (502, "github")


async def test_runners_alive_are_shown(client: Client, bus: NatsBus, scripted: ScriptedTriage) -> None:
    assert await (await client.get("/runners")).json() == {"items": []}
    assert (await (await client.get("/readyz")).json())["checks"]["runner"].startswith("no runner")
    info = RunnerInfo(
        runner="sandbox_kilo", instance="i1", sandbox="local", agent="kilocode 7", slots=2, started_at=NOW, seen_at=NOW
    )
    await bus.state(subjects.KV_RUNNERS, RunnerInfo).put("sandbox_kilo.i1", info)
    shown = (await (await client.get("/runners")).json())["items"]
    assert (shown[0]["runner"], shown[0]["slots"]) == ("sandbox_kilo", 2)
    assert (await client.get("/readyz")).status == 200
    assert (await (await client.get("/health")).json())["status"] == "healthy"


async def test_dead_letters_are_listed_retried_and_dropped(client: Client, bus: NatsBus) -> None:
    for index in range(3):
        letter = DeadLetter(
            id=f"d{index}",
            service="triage",
            subject="feedback.default.manual",
            stream="FEEDBACK",
            sequence=index,
            reason="cannot be read",
            deliveries=5,
            data='{"x":1}',
            at=NOW,
        )
        await bus.publish(subjects.dead("triage"), encode(letter), msg_id=letter.id)
    page = await (await client.get("/dead-letters", params={"limit": "2"})).json()
    assert [one["id"] for one in page["items"]] == ["d2", "d1"]
    page = await (await client.get("/dead-letters", params={"cursor": page["next_cursor"]})).json()
    assert ([one["id"] for one in page["items"]], page["next_cursor"]) == (["d0"], None)
    assert (await client.post("/dead-letters/d0/retry")).status == 200
    assert (await client.delete("/dead-letters/d1")).status == 200
    assert (await client.delete("/dead-letters/d1")).status == 404
    assert await bus.count(subjects.FEEDBACK) == 1


async def test_triage_lists_pass_through_whole_and_its_refusals_keep_their_fields(
    client: Client, bus: NatsBus, scripted: ScriptedTriage
) -> None:
    def listed(values: dict[str, Any]) -> dict[str, Any]:
        start = int(values.get("cursor") or 0)
        end = start + min(values.get("limit") or 4, 4)
        more = str(end) if end < 10 else None
        items = [{"id": f"c{index}", "title": "t"} for index in range(start, min(end, 10))]
        return {"items": items, "total": 10, "next_cursor": more, "project_id": "default"}

    scripted.answers["cluster_list"] = listed
    whole = await client.get("/clusters")
    assert [one["id"] for one in await whole.json()] == [f"c{index}" for index in range(10)]
    assert "X-Next-Cursor" not in whole.headers
    part = await client.get("/clusters", params={"limit": "6"})
    assert (len(await part.json()), part.headers["X-Next-Cursor"]) == (6, "6")
    error = {"status": 422, "code": "invalid", "detail": "no", "errors": [{"field": "changes.status", "reason": "bad"}]}
    scripted.answers["cluster_edit"] = lambda _: msgspec.convert(error, type=_error_type())
    answer = await client.patch("/clusters/c1", json={"title": "New"})
    assert (answer.status, (await answer.json())["errors"]) == (422, [{"field": "status", "reason": "bad"}])
    assert scripted.asked[-1][1] == {"id": "c1", "actor": "admin", "changes": {"title": "New"}, "project_id": "default"}


def _error_type() -> Any:
    from schemas.triage import CallError

    return CallError


async def test_triage_away_is_503_and_names_itself(client: Client, bus: NatsBus) -> None:
    answer = await client.get("/clusters")
    assert (answer.status, (await answer.json())["code"]) == (503, "triage_unavailable")
    assert "Retry-After" in answer.headers


async def test_metrics_tell_of_jobs_runners_and_dead_letters(client: Client, bus: NatsBus, gateway: Gateway) -> None:
    for number, status in enumerate(("success", "success", "failed", "running")):
        await put_job(bus, job(f"m{number}", status=status))
    await eventually(lambda: gateway.jobs.total() == 4, within=30)
    text = await (await client.get("/metrics")).text()
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert figures['soulcaster_jobs{status="success"}'] == "2.0"
    assert figures['soulcaster_jobs{status="failed"}'] == "1.0"
    assert figures['soulcaster_jobs{status="pending"}'] == "0.0"
    assert float(figures["soulcaster_oldest_live_job_seconds"]) > 0
    assert figures["soulcaster_dead_letters"] == "0.0"
    assert "soulcaster_http_requests_total" in text
