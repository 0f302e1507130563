"""A deleted project leaves nothing in the broker; its neighbours keep everything."""

from datetime import UTC, datetime
from typing import Any

from aiohttp.test_utils import TestClient

from messaging.connection import NatsBus
from schemas import subjects
from schemas.base import encode
from schemas.errors import DeadLetter
from schemas.jobs import Job
from schemas.plans import PlanRecord
from tests.integration.gateway import builders
from tests.integration.gateway.builders import everything, plan, record
from tests.integration.gateway.conftest import ScriptedTriage

Client = TestClient[Any, Any]
STREAMS = ("FEEDBACK", "JOBS", "CLUSTERS", "LOGS", "DEAD")
BUCKETS = ("jobs", "plans", "projects", "collector")


async def filled(client: Client, bus: NatsBus, name: str) -> None:
    """A project with one of everything that the gateway has to remove."""
    await client.post("/projects", json={"name": name, "user_id": "u1", "project_id": name})
    answer = await client.post(
        f"/ingest/manual?project_id={name}", json={"text": f"text of {name}"}, headers={"Idempotency-Key": "k"}
    )
    assert answer.status == 200
    job = builders.job(f"j{name}", project_id=name, status="success")
    await bus.state(subjects.KV_JOBS, Job).put(subjects.key(name, job.id), job)
    found = record(plan(project_id=name))
    await bus.state(subjects.KV_PLANS, PlanRecord).put(subjects.key(name, "c1"), found)
    await bus.publish(subjects.job_status(name, job.id), b"{}", msg_id=f"{name}.s")
    await bus.publish(subjects.logs(name, job.id), b"{}", msg_id=f"{name}.l")
    letter = DeadLetter(
        id=f"d{name}", service="triage", subject=subjects.feedback(name, "manual"), stream="FEEDBACK", sequence=1,
        reason="poison", deliveries=3, data="{}", at=datetime.now(UTC),
    )  # fmt: skip
    await bus.publish(subjects.dead("gateway"), encode(letter), msg_id=letter.id)
    for folder in ("logs", "patches"):
        await bus.objects().put(f"{folder}/{name}/{job.id}.txt", b"text")


async def traces(bus: NatsBus, name: str) -> set[str]:
    """Where a project's name still stands; markers of deleted keys, which end by themselves, do not count."""
    found: set[str] = set()
    for stream in (*STREAMS, *(f"KV_{bucket}" for bucket in BUCKETS)):
        for message in await everything(bus, stream, ">" if stream in STREAMS else f"$KV.{stream[3:]}.>"):
            if message.data and name in f"{message.subject} {message.data.decode()}":
                found.add(message.subject.replace(name, "*").rpartition(".")[0])
    return found | {file.replace(name, "*") for file in await bus.objects().names() if name in file}


async def test_everything_of_a_deleted_project_is_gone_and_its_neighbour_is_whole(
    client: Client, bus: NatsBus, scripted: ScriptedTriage
) -> None:
    scripted.answers["delete_project"] = {"feedback": 1, "clusters": 1, "messages": 2}
    await filled(client, bus, "doomed")
    await filled(client, bus, "neighbour")
    whole = await traces(bus, "neighbour")
    assert len(whole) >= 9
    answer = await client.delete("/projects/doomed")
    assert (answer.status, (await answer.json())["messages"]) == (200, 10)
    assert await traces(bus, "doomed") <= {"feedback.*"}  # triage's to remove, and this one is a script
    assert await traces(bus, "neighbour") == whole
    again = await client.post("/projects", json={"name": "doomed", "user_id": "u2", "project_id": "doomed"})
    assert again.status == 200
