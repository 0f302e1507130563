"""Sources that are read rather than sent: what is read, what is said when there is nothing to read."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from messaging.connection import NatsBus
from schemas import subjects
from services.gateway.settings import Settings
from tests.integration.collector.vendors import Vendors
from tests.integration.gateway.conftest import started

Client = TestClient[Any, Any]
START = datetime(2026, 11, 1, tzinfo=UTC)


def issue(number: int, changed: timedelta) -> dict[str, Any]:
    return {
        "id": number,
        "number": number,
        "title": f"Problem {number}",
        "state": "open",
        "html_url": f"https://github.com/a/b/issues/{number}",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": (START + changed).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "user": {"login": "x"},
    }


class Busy(Vendors):
    """A repository where the oldest issue is changed after each page: it moves to the end of the list."""

    async def _issues(self, request: web.Request) -> web.Response:
        answer = await super()._issues(request)
        oldest = min(self.issues, key=lambda one: one["updated_at"])
        oldest["updated_at"] = (START + timedelta(days=2, minutes=len(self.asked))).strftime("%Y-%m-%dT%H:%M:%SZ")
        return answer


@pytest.mark.parametrize(("forge_is", "apart"), [(Busy, timedelta(minutes=1)), (Vendors, timedelta(0))])
async def test_a_sync_loses_no_issue_while_others_change_or_when_all_changed_at_once(
    settings: Settings, bus: NatsBus, forge_is: type[Vendors], apart: timedelta
) -> None:
    busy = forge_is()
    busy.issues = [issue(number, number * apart) for number in range(1, 251)]
    async with (
        TestServer(busy.app()) as forge,
        started(msgspec.structs.replace(settings, github_api_url=str(forge.make_url(""))), bus) as (_, client),
    ):
        done = await (await client.post("/ingest/github/sync/a/b")).json()
    assert (done["new_issues"], done["total_issues"], len(done["synced_ids"])) == (250, 250, 250)
    assert await bus.count(subjects.FEEDBACK) >= 250


async def test_a_poll_is_asked_for_only_where_something_is_polled(client: Client) -> None:
    async def trigger() -> tuple[str, str]:
        answer = await (await client.post("/admin/trigger-poll")).json()
        return answer["status"], answer["message"]

    nothing = ("skipped", "No polled source is configured in this project")
    assert [await trigger(), await trigger()] == [nothing, nothing]
    await client.post("/config/posthog/secret", json={"secret": "a-secret-of-posthog"})
    await client.post("/config/github/secret", json={"secret": "a-secret-of-github"})
    assert await trigger() == nothing
    assert (await (await client.post("/ingest/posthog/sync")).json())["status"] == "skipped"
    await client.post("/config/posthog", json={"poll": True})
    await client.post("/config/github", json={"repos": ["acme/shop"]})
    assert await trigger() == ("ok", "Polling github, posthog")
    assert (await (await client.post("/ingest/posthog/sync")).json())["status"] == "ok"
    await client.post("/config/github/enabled", json={"enabled": False})
    assert await trigger() == ("ok", "Polling posthog")


async def test_a_repository_that_is_none_is_refused_by_its_place(client: Client) -> None:
    good = ["acme/shop", " https://github.com/Acme/Web.git ", "https://github.com/acme/shop"]
    assert (await client.post("/config/github", json={"repos": good})).status == 200
    assert (await (await client.get("/config/github")).json())["repos"] == ["acme/shop", "Acme/Web"]
    for bad in ("nonsense", "a/b/c", "https://gitlab.com/a/b", "a/..", "", "../x"):
        answer = await client.post("/config/github", json={"repos": ["acme/shop", bad]})
        assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, "repos[1]"), bad
    assert (await (await client.get("/config/github")).json())["repos"] == ["acme/shop", "Acme/Web"]
