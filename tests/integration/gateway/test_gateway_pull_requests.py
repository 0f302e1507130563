"""What GitHub tells of our own pull requests: the cluster follows, and follow-ups where the project wants them."""

import hashlib
import hmac
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient

from messaging.connection import NatsBus
from schemas import subjects
from schemas.base import decode
from schemas.jobs import CancelRequest, FixRequest, Usage
from services.gateway.context import Gateway
from tests.integration.gateway.builders import NOW, REPO, cluster, job, plan, publish_cluster, put_job
from tests.integration.gateway.conftest import ScriptedTriage
from tests.support.eventually import eventually

SECRET = "webhook-secret-0123456789"
URL = f"{REPO}/pull/7"
BRANCH = "soulcaster/j1"


class Github:
    """Sends signed events."""

    def __init__(self, gateway: Gateway, client: "TestClient[Any, Any]", bus: NatsBus) -> None:
        self.gateway, self.client, self.bus, self.deliveries = gateway, client, bus, 0

    async def send(self, event: str, payload: dict[str, Any], *, secret: str = SECRET, delivery: str = "") -> Any:
        self.deliveries += 1
        body = msgspec.json.encode(payload)
        headers = {
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": delivery or f"d{self.deliveries}",
            "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
            "Content-Type": "application/json",
        }
        async with self.client.post("/ingest/github/webhook", data=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def review(self, minute: int = 1, delivery: str = "", **changes: Any) -> Any:
        said = {"user": {"login": "anna", "type": "User"}, "author_association": "MEMBER", "state": "commented"}
        said |= {"submitted_at": f"2026-11-23T13:{minute:02}:00Z"} | changes
        payload = {"action": "submitted", "review": said, "pull_request": {"html_url": URL, "number": 7}}
        return (await self.send("pull_request_review", payload, delivery=delivery))[1]

    async def closed(self, merged: bool) -> Any:
        pull = {"html_url": URL, "number": 7, "merged": merged}
        payload = {"action": "closed", "pull_request": pull, "sender": {"login": "anna"}}
        return (await self.send("pull_request", payload))[1]

    async def requests(self) -> list[FixRequest]:
        stored = await self.bus.page(subjects.REQUESTS, "requests.fix.>")
        return [decode(message.data, FixRequest) for message in stored]

    async def ended(self, request: FixRequest, requests: int = 3) -> None:
        """As the orchestrator records a follow-up that opened nothing new."""
        done = job(
            request.job_id, status="success", pr_url=URL, branch=BRANCH, request=request, usage=Usage(requests=requests)
        )
        await put_job(self.bus, done)

        def seen() -> None:
            view = self.gateway.jobs.get("default", request.job_id)
            assert view is not None
            assert view.terminal

        await eventually(seen)


@pytest.fixture
async def github(gateway: Gateway, client: "TestClient[Any, Any]", bus: NatsBus) -> Github:
    """A project with a webhook secret, two follow-ups allowed, and a job that opened a pull request."""
    async with client.post("/config/github/secret", json={"secret": SECRET}) as answer:
        assert answer.status == 200
    async with client.patch("/projects/default", json={"follow_ups": 2}) as answer:
        assert (await answer.json())["project"]["follow_ups"] == 2
    await publish_cluster(bus, cluster(status="pr_opened", github_pr_url=URL))
    await put_job(bus, job("j1", status="success", pr_url=URL, branch=BRANCH, plan=plan(), runner="sandbox_kilo"))
    await eventually(lambda: gateway.jobs.get("default", "j1") is not None)
    return Github(gateway, client, bus)


async def test_a_review_starts_a_follow_up_on_the_same_branch(github: Github) -> None:
    answer = await github.review()
    (request,) = await github.requests()
    assert (answer["status"], answer["id"]) == ("ok", request.job_id)
    follow_up = request.follow_up
    assert follow_up is not None
    assert (follow_up.of, follow_up.pr_url, follow_up.number, follow_up.branch) == ("j1", URL, 7, BRANCH)
    assert (follow_up.round, follow_up.reason, follow_up.since) == (1, "review", NOW)
    assert request.plan is not None
    assert (request.plan.version, request.force, request.runner, request.requested_by) == (
        1, True, "sandbox_kilo", "github:anna",
    )  # fmt: skip
    async with github.client.get(f"/jobs/{request.job_id}") as shown:
        assert (await shown.json())["follow_up_of"] == "j1"


async def test_a_delivery_sent_again_starts_nothing_more(github: Github) -> None:
    await github.review(delivery="same")
    assert (await github.review(delivery="same"))["status"] == "duplicate"
    assert len(await github.requests()) == 1


async def test_what_is_said_meanwhile_starts_the_next_one_when_that_ends(github: Github) -> None:
    await github.review(1)
    assert (await github.review(2))["message"].startswith("A fix of this cluster is under way")
    (first,) = await github.requests()
    await github.ended(first)

    async def second() -> FixRequest:
        requests = await github.requests()
        assert len(requests) == 2
        return requests[1]

    follow_up = (await eventually(second)).follow_up
    assert follow_up is not None
    assert (follow_up.round, follow_up.since.minute) == (2, 1), "from where the first one began"


async def test_a_pull_request_has_so_many_follow_ups_and_no_more(github: Github) -> None:
    for number in (1, 2):
        await github.review(number)
        await github.ended((await github.requests())[-1])
    assert "has had its 2 follow-ups" in (await github.review(3))["message"]
    assert len(await github.requests()) == 2


async def test_a_round_that_found_nothing_to_do_does_not_count(github: Github) -> None:
    await github.review(1)
    (first,) = await github.requests()
    done = job(first.job_id, status="failed", request=first, branch=BRANCH)
    await put_job(github.bus, done)
    await eventually(lambda: github.gateway.jobs.get("default", first.job_id).terminal)  # type: ignore[union-attr]
    await github.review(2)
    follow_up = (await github.requests())[-1].follow_up
    assert follow_up is not None
    assert follow_up.round == 1


async def test_failing_checks_of_the_branch_start_one_with_their_words(github: Github) -> None:
    run = {"name": "unit", "conclusion": "failure", "head_sha": "a" * 40, "check_suite": {"head_branch": BRANCH}}
    payload = {"action": "completed", "check_run": run | {"output": {"title": "2 failed"}}}
    other = payload | {"repository": {"html_url": "https://github.com/acme/other"}}
    assert (await github.send("check_run", other))[1]["status"] == "filtered"
    assert (await github.send("check_run", payload | {"repository": {"html_url": REPO}}))[1]["status"] == "ok"
    (request,) = await github.requests()
    follow_up = request.follow_up
    assert follow_up is not None
    assert (follow_up.reason, follow_up.sha, follow_up.remarks[0].body) == ("checks", "a" * 40, "2 failed")


async def test_nothing_starts_without_the_projects_wish_or_from_outside(github: Github) -> None:
    assert (await github.review(author_association="NONE"))["status"] == "filtered"
    async with github.client.patch("/projects/default", json={"follow_ups": None}) as answer:
        assert answer.status == 200
    assert "Follow-ups are off" in (await github.review())["message"]
    assert await github.requests() == []


async def test_a_wrong_signature_is_refused(github: Github) -> None:
    status, _ = await github.send("pull_request", {"action": "closed"}, secret="another-secret-0123456789")
    assert status == 401


async def test_without_a_secret_nothing_is_believed(
    gateway: Gateway, client: "TestClient[Any, Any]", bus: NatsBus, scripted: ScriptedTriage
) -> None:
    status, answer = await Github(gateway, client, bus).send("pull_request", {"action": "closed"})
    assert (status, "no GitHub webhook secret" in answer["detail"]) == (401, True)


@pytest.mark.parametrize(("merged", "status"), [(True, "resolved"), (False, "new")])
async def test_merge_and_close_move_the_cluster(
    github: Github, scripted: ScriptedTriage, merged: bool, status: str
) -> None:
    scripted.answers["cluster_edit"] = {"id": "c1"}
    await github.review()
    (request,) = await github.requests()
    assert (await github.closed(merged))["status"] == "ok"
    (edit,) = [values for operation, values in scripted.asked if operation == "cluster_edit"]
    assert (edit["id"], edit["changes"]["status"], edit["actor"]) == ("c1", status, "github:anna")
    assert URL in edit["changes"]["reason"]
    cancels = await github.bus.page(subjects.REQUESTS, "requests.cancel.>")
    assert [decode(cancel.data, CancelRequest).job_id for cancel in cancels] == [request.job_id]


@pytest.mark.parametrize("decided", ["resolved", "dismissed"])
async def test_what_a_person_decided_meanwhile_stays(
    github: Github, scripted: ScriptedTriage, bus: NatsBus, decided: str
) -> None:
    await publish_cluster(bus, cluster(revision=2, status=decided, github_pr_url=URL))
    assert (await github.closed(False))["status"] == "duplicate"
    assert not [asked for asked in scripted.asked if asked[0] == "cluster_edit"]


async def test_a_pull_request_of_somebody_else_is_nothing_to_us(github: Github) -> None:
    payload = {"action": "closed", "pull_request": {"html_url": f"{REPO}/pull/8", "merged": True}}
    assert (await github.send("pull_request", payload))[1]["status"] == "filtered"
