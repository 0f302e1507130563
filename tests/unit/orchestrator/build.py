"""Requests, plans and calls for the orchestrator's tests, and a driver of one job through the state machine."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from schemas.attempts import AttemptCall, AttemptReply
from schemas.base import decode
from schemas.clusters import Cluster, Evidence
from schemas.errors import Failure, FailureClass
from schemas.jobs import FixRequest, Job, JobEvent
from schemas.plans import Plan
from services.orchestrator.model import Event, Rules, decide
from services.orchestrator.model.events import Claim, Create, Finish, HandOut, Heartbeat, Publish

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RULES = Rules()


def cluster(cluster_id: str = "c1", reports: int = 2, body: str = "it breaks", project: str = "default") -> Cluster:
    evidence = [
        Evidence(feedback_id=f"f{n}", source="manual", title=f"report {n}", body=body, created_at=START)
        for n in range(reports)
    ]
    return Cluster(
        id=cluster_id,
        project_id=project,
        revision=1,
        title="It breaks",
        count=reports,
        created_at=START,
        updated_at=START,
        evidence=evidence,
    )


def plan(version: int = 1, repo_url: str = "file:///srv/repo", branch: str = "main", project: str = "default") -> Plan:
    return Plan(
        id=f"plan-v{version}",
        project_id=project,
        cluster_id="c1",
        version=version,
        title="Fix it",
        repo_url=repo_url,
        base_branch=branch,
        base_commit="a" * 40,
        created_at=START,
        updated_at=START,
    )


def request(job: str = "J1", *, with_plan: bool = True, project: str = "default", **changes: Any) -> FixRequest:
    base = FixRequest(
        job_id=job,
        project_id=project,
        cluster_id="c1",
        cluster=cluster(project=project),
        repo_url="file:///srv/repo",
        plan=plan(project=project) if with_plan else None,
        created_at=START,
    )
    return structs.replace(base, **changes)


def call(job: Job, instance: str = "one", **changes: Any) -> AttemptCall:
    base = AttemptCall(
        job_id=job.id, project_id=job.project_id, runner=job.runner, instance=instance, attempt=job.attempt
    )
    return structs.replace(base, **changes)


def failure(kind: FailureClass = "infrastructure", reason: str = "the sandbox fell over") -> Failure:
    return Failure(kind=kind, reason=reason)


def events(job: Job) -> list[JobEvent]:
    """The status events in the outbox; nothing clears it in these tests, so it is the whole history."""
    return [decode(entry.data.encode(), JobEvent) for entry in job.outbox if entry.subject.endswith(".status")]


class Drive:
    """One job, one clock; every method applies an event and keeps the new record."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.rules, self.now = rules, START
        self.record: Job | None = None
        self.reply: AttemptReply | None = None

    @property
    def job(self) -> Job:
        assert self.record is not None
        return self.record

    def apply(self, event: Event, after: float = 0.0) -> Job:
        self.now += timedelta(seconds=after)
        decision = decide(self.record, event, self.now, self.rules)
        self.reply = decision.reply
        if decision.job is not None:
            self.record = decision.job
        return self.job

    @property
    def answer(self) -> str:
        assert self.reply is not None
        return self.reply.answer

    def create(self, **changes: Any) -> Job:
        return self.apply(Create(request(**changes)))

    def hand_out(self) -> Job:
        return self.apply(HandOut())

    def claim(self, instance: str = "one") -> Job:
        return self.apply(Claim(call(self.job, instance)))

    def beat(self, instance: str = "one", after: float = 0.0, **changes: Any) -> Job:
        return self.apply(Heartbeat(call(self.job, instance, **changes)), after)

    def publish(self, instance: str = "one", **changes: Any) -> Job:
        return self.apply(Publish(call(self.job, instance, **changes)))

    def finish(self, outcome: str, instance: str = "one", **changes: Any) -> Job:
        return self.apply(Finish(call(self.job, instance, outcome=outcome, **changes)))

    def running(self, instance: str = "one") -> Job:
        self.create()
        self.hand_out()
        return self.claim(instance)
