"""Wire structs for the gateway's tests."""

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from messaging.ports import Bus, CaughtUp, Stored
from schemas import subjects
from schemas.base import encode
from schemas.clusters import Cluster, Evidence
from schemas.jobs import FixRequest, Job, JobEvent
from schemas.logs import LogChunk
from schemas.plans import Plan, PlanOutcome, PlanRecord

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
REPO = "https://github.com/acme/shop"


async def everything(bus: Bus, stream: str, subject: str) -> list[Stored]:
    """All stored messages under a subject."""
    found: list[Stored] = []
    async with aclosing(bus.follow(stream, [subject])) as items:
        async for item in items:
            if isinstance(item, CaughtUp):
                break
            found.append(item)
    return found


def cluster(cluster_id: str = "c1", **values: Any) -> Cluster:
    """A cluster with a repository."""
    fields: dict[str, Any] = {
        "id": cluster_id,
        "project_id": "default",
        "revision": 1,
        "title": "Checkout fails",
        "count": 2,
        "sources": ["sentry"],
        "created_at": NOW,
        "updated_at": NOW,
        "github_repo_url": REPO,
        "evidence": [Evidence(feedback_id="f1", source="sentry", title="KeyError: price")],
    }
    return Cluster(**{**fields, **values})


async def publish_cluster(bus: Bus, found: Cluster) -> None:
    """As triage does."""
    await bus.publish(
        subjects.cluster(found.project_id, found.id), encode(found), msg_id=f"{found.id}.{found.revision}"
    )


def plan(version: int = 1, **values: Any) -> Plan:
    """A plan of c1."""
    fields: dict[str, Any] = {
        "id": "plan1",
        "project_id": "default",
        "cluster_id": "c1",
        "version": version,
        "title": "Guard the price",
        "steps": ["Check for None"],
        "repo_url": REPO,
        "base_branch": "main",
        "base_commit": "0" * 40,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Plan(**{**fields, **values})


def record(current: Plan | None, *outcomes: PlanOutcome) -> PlanRecord:
    """What the planner keeps."""
    return PlanRecord(project_id="default", cluster_id="c1", current=current, outcomes=list(outcomes), updated_at=NOW)


def job(job_id: str = "j1", *, age: float = 0.0, **values: Any) -> Job:
    """A job's record; ``age`` seconds before NOW."""
    created = NOW - timedelta(seconds=age)
    found = cluster()
    request = FixRequest(
        job_id=job_id, project_id="default", cluster_id="c1", cluster=found, repo_url=REPO, created_at=created
    )
    fields: dict[str, Any] = {
        "id": job_id,
        "project_id": "default",
        "cluster_id": "c1",
        "request": request,
        "phase_deadline": created,
        "deadline": created,
        "created_at": created,
        "updated_at": created,
    }
    return Job(**{**fields, **values})


async def put_job(bus: Bus, found: Job) -> None:
    """As the orchestrator does."""
    await bus.state(subjects.KV_JOBS, Job).put(subjects.key(found.project_id, found.id), found)


async def event(bus: Bus, n: int, status: str, job_id: str = "j1") -> int:
    """Publish a status event; its sequence."""
    message = JobEvent(
        n=n,
        job_id=job_id,
        project_id="default",
        cluster_id="c1",
        status=msgspec.convert(status, type=JobEvent.__annotations__["status"]),
        phase="agent",
        attempt=1,
        runner="sandbox_kilo",
        at=NOW,
    )
    ack = await bus.publish(subjects.job_status("default", job_id), encode(message), msg_id=f"{job_id}.{n}")
    return ack.sequence


async def log(bus: Bus, first: int, *lines: str, job_id: str = "j1") -> int:
    """Publish a log chunk; its sequence."""
    chunk = LogChunk(job_id=job_id, project_id="default", attempt=1, first=first, lines=list(lines), at=NOW)
    ack = await bus.publish(subjects.logs("default", job_id), encode(chunk), msg_id=f"{job_id}.1.{first}")
    return ack.sequence
