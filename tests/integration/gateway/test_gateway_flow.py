"""The main routes, end to end through a real broker."""

import asyncio
from typing import Any

from aiohttp.test_utils import TestClient

from messaging.connection import NatsBus
from schemas import subjects
from schemas.base import decode
from schemas.feedback import FeedbackItem
from schemas.jobs import FixRequest, Job
from schemas.projects import SealedSecret
from services.gateway.context import Gateway
from tests.integration.gateway.builders import REPO, cluster, everything, job, plan, publish_cluster, put_job, record

Client = TestClient[Any, Any]


async def test_a_manual_report_is_in_the_stream_when_the_answer_comes(client: Client, bus: NatsBus) -> None:
    answer = await client.post("/ingest/manual", json={"text": "Checkout fails $(rm -rf /)", "title": "Broken"})
    body = await answer.json()
    assert answer.status == 200, body
    assert body["status"] == "ok"
    stored = await everything(bus, subjects.FEEDBACK, "feedback.default.manual")
    item = decode(stored[0].data, FeedbackItem)
    assert (item.id, item.title, item.body) == (body["id"], "Broken", "Checkout fails $(rm -rf /)")


async def test_the_same_text_twice_is_two_reports_and_the_same_key_is_one(client: Client, bus: NatsBus) -> None:
    for _ in range(2):
        await client.post("/ingest/manual", json={"text": "Again"})
    keyed = [
        await (await client.post("/ingest/manual", json={"text": "Once"}, headers={"Idempotency-Key": "k"})).json()
        for _ in range(3)
    ]
    assert keyed[0] == keyed[1] == keyed[2]
    assert await bus.count(subjects.FEEDBACK) == 3


async def test_sixteen_concurrent_starts_make_one_job_and_fifteen_conflicts_that_name_it(
    client: Client, bus: NatsBus
) -> None:
    await publish_cluster(bus, cluster())
    answers = await asyncio.gather(*(client.post("/clusters/c1/start_fix") for _ in range(16)))
    bodies = [await answer.json() for answer in answers]
    assert sorted(answer.status for answer in answers) == [200] + [409] * 15, bodies
    assert len({body["job_id"] for body in bodies}) == 1
    requests = await bus.page(subjects.REQUESTS, "requests.fix.>")
    assert [decode(one.data, FixRequest).job_id for one in requests] == [bodies[0]["job_id"]]


async def test_a_started_job_can_be_read_at_once_and_its_lock_ends_with_it(client: Client, bus: NatsBus) -> None:
    await publish_cluster(bus, cluster())
    first = (await (await client.post("/clusters/c1/start_fix")).json())["job_id"]
    shown = await (await client.get(f"/jobs/{first}")).json()
    assert (shown["status"], shown["phase"], shown["repo_url"]) == ("pending", "queued", REPO)
    listed = await (await client.get("/jobs")).json()
    assert [one["id"] for one in listed] == [first]
    await put_job(bus, job(first, status="failed"))
    again = await client.post("/clusters/c1/start_fix")
    assert again.status == 200
    assert (await again.json())["job_id"] != first


async def test_the_same_key_is_answered_the_same_and_another_body_is_refused(client: Client, bus: NatsBus) -> None:
    await publish_cluster(bus, cluster())
    headers = {"Idempotency-Key": "one"}
    first = await client.post("/clusters/c1/start_fix", headers=headers, json={})
    second = await client.post("/clusters/c1/start_fix", headers=headers, json={})
    assert await first.json() == await second.json()
    other = await client.post("/clusters/c1/start_fix", headers=headers, json={"runner": "aws_kilo"})
    assert (other.status, (await other.json())["code"]) == (422, "idempotency_key_reused")


async def test_concurrent_requests_with_one_key_get_one_answer(client: Client, bus: NatsBus) -> None:
    await publish_cluster(bus, cluster())
    headers = {"Idempotency-Key": "one"}
    answers = await asyncio.gather(*(client.post("/clusters/c1/start_fix", headers=headers) for _ in range(8)))
    bodies = [await answer.json() for answer in answers]
    assert {answer.status for answer in answers} == {200}, bodies
    assert len({body["job_id"] for body in bodies}) == 1
    assert await bus.count(subjects.REQUESTS) == 1


async def test_the_users_token_is_kept_sealed_and_only_under_the_job(
    client: Client, bus: NatsBus, gateway: Gateway
) -> None:
    await publish_cluster(bus, cluster())
    token = "ghp_" + "a" * 36
    answer = await client.post("/clusters/c1/start_fix", headers={"X-GitHub-Token": token})
    job_id = (await answer.json())["job_id"]
    await client.post("/clusters/c1/start_fix", headers={"X-GitHub-Token": token})
    entries = await bus.state(subjects.KV_SECRETS, SealedSecret).items()
    assert [entry.key for entry in entries] == [job_id]
    request = (await bus.page(subjects.REQUESTS, "requests.fix.>"))[0]
    assert token.encode() not in request.data
    assert decode(request.data, FixRequest).has_secret
    sealed = entries[0].value
    assert sealed is not None
    assert token not in sealed.sealed
    import base64

    assert gateway.sealing().open(base64.b64decode(sealed.sealed), job_id).decode() == token


async def test_a_lock_whose_request_was_never_published_is_published_by_the_next_caller(
    client: Client, bus: NatsBus, gateway: Gateway
) -> None:
    from schemas.projects import FixLock

    await publish_cluster(bus, cluster())
    lost = job("LOST").request
    await gateway.locks.create("fix.default.c1", FixLock(job_id="LOST", request=lost, created_at=lost.created_at))
    answer = await client.post("/clusters/c1/start_fix")
    assert (answer.status, (await answer.json())["job_id"]) == (409, "LOST")
    requests = await bus.page(subjects.REQUESTS, "requests.fix.>")
    assert [decode(one.data, FixRequest).job_id for one in requests] == ["LOST"]


async def test_without_a_known_repository_nothing_starts(client: Client, bus: NatsBus) -> None:
    await publish_cluster(bus, cluster(github_repo_url=None, suggested_repo_url="https://github.com/x/y"))
    answer = await client.post("/clusters/c1/start_fix")
    assert (answer.status, (await answer.json())["code"]) == (422, "repository_unknown")
    assert await bus.count(subjects.REQUESTS) == 0


async def test_an_unknown_and_a_merged_cluster_are_404(client: Client, bus: NatsBus) -> None:
    await publish_cluster(bus, cluster("gone", count=0))
    for name in ("nothing", "gone", "..", "a.b", "*"):
        assert (await client.post(f"/clusters/{name}/start_fix")).status in (404, 405)
    assert await bus.count(subjects.REQUESTS) == 0


async def test_the_plan_snapshot_travels_with_the_fix(client: Client, bus: NatsBus, gateway: Gateway) -> None:
    await publish_cluster(bus, cluster())
    await gateway.plans.records.put("default.c1", record(plan(3)))
    await gateway.plans.versions.put("default.c1.v2", plan(2, title="Older"))
    assert (await client.post("/clusters/c1/start_fix", json={"plan_version": 9})).status == 404
    assert (await client.post("/clusters/c1/start_fix", json={"plan_version": 2})).status == 200
    request = decode((await bus.page(subjects.REQUESTS, "requests.fix.>"))[0].data, FixRequest)
    assert request.plan is not None
    assert (request.plan.version, request.plan.title, request.base_branch) == (2, "Older", "main")


async def test_cancel_is_asked_once_and_an_ended_job_refuses_every_step(client: Client, bus: NatsBus) -> None:
    await put_job(bus, job("j1", status="running"))
    for _ in range(3):
        assert (await client.post("/jobs/j1/cancel")).status == 200
    assert (await client.patch("/jobs/j1", json={"status": "cancelled"})).status == 200
    assert len(await bus.page(subjects.REQUESTS, "requests.cancel.>")) == 1
    assert (await client.patch("/jobs/j1", json={"status": "success"})).status == 409
    assert (await client.patch("/jobs/j1", json={})).status == 200
    await put_job(bus, job("j1", status="success"))
    for status in ("pending", "running", "failed", "cancelled"):
        answer = await client.patch("/jobs/j1", json={"status": status})
        assert answer.status == 409, await answer.json()
    assert (await client.patch("/jobs/j1", json={"status": "bogus"})).status == 422


async def test_only_an_ended_job_is_repeated_and_only_a_held_patch_released(client: Client, bus: NatsBus) -> None:
    await publish_cluster(bus, cluster())
    await put_job(bus, job("j1", status="running"))
    assert (await client.post("/jobs/j1/retry")).status == 409
    assert (await client.post("/jobs/j1/approve")).status == 409
    await put_job(bus, job("j1", status="needs_review", patch_key="patches/default/j1/1.diff"))
    answer = await client.post("/jobs/j1/approve")
    body = await answer.json()
    assert answer.status == 200, body
    request = decode((await bus.page(subjects.REQUESTS, "requests.fix.>"))[0].data, FixRequest)
    assert (request.retry_of, request.approve_patch) == ("j1", "patches/default/j1/1.diff")
    assert (await client.post("/jobs/j1/approve")).status == 409


async def test_the_list_of_jobs_is_newest_first_and_pages_without_gaps_while_jobs_come(
    client: Client, bus: NatsBus
) -> None:
    for index in range(25):
        await put_job(bus, job(f"j{index:02}", age=float(index)))
    seen: list[str] = []
    cursor: str | None = None
    rounds = 0
    while rounds == 0 or cursor:
        answer = await client.get("/jobs", params={"limit": "10", **({"cursor": cursor} if cursor else {})})
        seen += [one["id"] for one in await answer.json()]
        cursor = answer.headers.get("X-Next-Cursor")
        await put_job(bus, job(f"new{rounds}", age=-1.0 - rounds))
        rounds += 1
    assert seen == [f"j{index:02}" for index in range(25)]
    assert (await client.get("/jobs", params={"cursor": "nonsense"})).status == 422


async def test_ten_thousand_jobs_are_listed_from_memory(bus: NatsBus, gateway: Gateway, client: Client) -> None:
    from services.gateway.job_index import accepted

    for index in range(10_000):
        gateway.jobs.learn(accepted(job(f"k{index:05}", age=float(index)).request))
    loop = asyncio.get_running_loop()
    started = loop.time()
    for _ in range(5):
        assert len(await (await client.get("/jobs", params={"limit": "50"})).json()) == 50
    assert (loop.time() - started) / 5 < 0.25
    assert bus.service == "test"
    assert Job
