"""A fix that would repeat open work is asked back before anything is spent."""

from typing import Any

from aiohttp.test_utils import TestClient

from messaging.connection import NatsBus
from schemas import subjects
from schemas.base import decode
from schemas.clusters import ClusterStatus, Evidence
from schemas.feedback import Frame
from schemas.jobs import FixRequest
from schemas.plans import CandidateFile, PlanRecord
from services.gateway.context import Gateway
from tests.integration.gateway.builders import cluster, job, plan, publish_cluster, put_job, record
from tests.support.eventually import eventually

Client = TestClient[Any, Any]


async def plan_for(bus: NatsBus, cluster_id: str, *paths: str) -> None:
    """A cluster with a plan that names files."""
    await publish_cluster(bus, cluster(cluster_id, evidence=[]))
    made = plan(cluster_id=cluster_id, candidate_files=[CandidateFile(path=path) for path in paths])
    await bus.state(subjects.KV_PLANS, PlanRecord).put(f"default.{cluster_id}", record(made))


async def pull_request(bus: NatsBus, gateway: Gateway, status: ClusterStatus, *changed: str) -> None:
    """Cluster c0 with a job j0 that opened one."""
    await publish_cluster(bus, cluster("c0", status=status, evidence=[]))
    await put_job(bus, job("j0", cluster_id="c0", status="success", pr_url="http://forge/1", touches=list(changed)))
    await eventually(lambda: gateway.jobs.get("default", "j0") is not None)


async def test_a_fix_of_files_that_an_open_pull_request_changed_is_asked_back(
    client: Client, gateway: Gateway, bus: NatsBus
) -> None:
    await pull_request(bus, gateway, "pr_opened", "shop/cart.py")
    await plan_for(bus, "c2", "shop/pricing.py", "shop/cart.py")
    answer = await client.post("/clusters/c2/start_fix", json={"runner": "sandbox_kilo"})
    body = await answer.json()
    assert (answer.status, body["code"]) == (409, "similar_work_open"), body
    assert "job_id" not in body, "that member means a fix of this very cluster"
    assert [one["job_id"] for one in body["similar"]] == ["j0"]
    assert body["similar"][0]["cluster_id"] == "c0"
    assert body["similar"][0]["pr_url"] == "http://forge/1"
    assert "shop/cart.py" in body["similar"][0]["reason"]
    assert "force" in body["detail"]
    assert await bus.page(subjects.REQUESTS, "requests.fix.>") == []


async def test_force_starts_it_and_travels_with_the_request(client: Client, gateway: Gateway, bus: NatsBus) -> None:
    await pull_request(bus, gateway, "pr_opened", "shop/cart.py")
    await plan_for(bus, "c2", "shop/cart.py")
    answer = await client.post("/clusters/c2/start_fix", json={"force": True})
    assert answer.status == 200
    [stored] = await bus.page(subjects.REQUESTS, "requests.fix.>")
    assert decode(stored.data, FixRequest).force is True


async def test_a_pull_request_of_a_resolved_cluster_is_no_open_work(
    client: Client, gateway: Gateway, bus: NatsBus
) -> None:
    await pull_request(bus, gateway, "resolved", "shop/cart.py")
    await plan_for(bus, "c2", "shop/cart.py")
    assert (await client.post("/clusters/c2/start_fix")).status == 200


async def test_a_running_fix_of_the_same_crash_is_similar_without_any_plan(client: Client, bus: NatsBus) -> None:
    frames = [Frame(file="/srv/shop/pricing.py", function="parse_price", in_app=True)]
    for name in ("c1", "c2"):
        crash = Evidence(
            feedback_id=f"f-{name}", source="sentry", title="KeyError", exception_type="KeyError", frames=frames
        )
        await publish_cluster(bus, cluster(name, evidence=[crash]))
    first = await client.post("/clusters/c1/start_fix")
    second = await client.post("/clusters/c2/start_fix")
    assert (first.status, second.status) == (200, 409)
    body = await second.json()
    assert body["similar"][0]["job_id"] == (await first.json())["job_id"]
    assert "crash" in body["similar"][0]["reason"]


async def test_the_same_cluster_again_is_still_told_by_job_id(client: Client, bus: NatsBus) -> None:
    await plan_for(bus, "c2", "shop/cart.py")
    first = (await (await client.post("/clusters/c2/start_fix")).json())["job_id"]
    body = await (await client.post("/clusters/c2/start_fix")).json()
    assert (body["code"], body["job_id"]) == ("fix_already_running", first)


async def test_a_repeated_job_with_work_like_it_asks_and_can_be_forced(
    client: Client, gateway: Gateway, bus: NatsBus
) -> None:
    await pull_request(bus, gateway, "pr_opened", "shop/cart.py")
    await plan_for(bus, "c2", "shop/cart.py")
    await put_job(bus, job("j2", cluster_id="c2", status="failed"))
    assert (await (await client.post("/jobs/j2/retry")).json())["code"] == "similar_work_open"
    assert (await client.post("/jobs/j2/retry", json={"force": True})).status == 200


async def test_whether_the_caller_named_the_version_travels_and_the_history_of_the_plan_does_not(
    client: Client, bus: NatsBus
) -> None:
    await publish_cluster(bus, cluster("c2", evidence=[]))
    made = plan(3, cluster_id="c2", diff="+x\n" * 100, changed_fields=["title"])
    await bus.state(subjects.KV_PLANS, PlanRecord).put("default.c2", record(made))
    named = await client.post("/clusters/c2/start_fix", json={"plan_version": 3})
    assert named.status == 200
    [stored] = await bus.page(subjects.REQUESTS, "requests.fix.>")
    request = decode(stored.data, FixRequest)
    assert (request.plan_named, request.plan_version) == (True, 3)
    assert request.plan is not None
    assert request.plan.diff == ""
