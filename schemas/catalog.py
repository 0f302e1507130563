"""Every channel that messages travel on: its address, its message, who writes and who reads it.

The AsyncAPI document, the permissions of ``deploy/nats`` and their tests are made from this table. Addresses name their
tokens in braces; ``wildcard`` is the same as NATS writes it.
"""

import re
from typing import Any, Final, Literal

import msgspec

from schemas.attempts import AttemptCall, AttemptEvent, AttemptReply, RunnerTask
from schemas.clusters import Cluster
from schemas.collector import PollState
from schemas.errors import DeadLetter
from schemas.feedback import FeedbackItem
from schemas.jobs import CancelRequest, FixRequest, Job, JobEvent
from schemas.logs import LogChunk
from schemas.plans import PlanRecord, PlanRequest
from schemas.projects import ApiKey, FixLock, IdempotentAnswer, Project, SealedSecret, User
from schemas.runners import RunnerInfo

Kind = Literal["stream", "key-value", "request"]
SERVICES: Final = ("gateway", "orchestrator", "planner", "triage", "collector", "runner")


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """One subject, key or request. ``store`` is the stream or bucket; ``reply`` is a request's answer."""

    address: str
    kind: Kind
    message: type[Any]
    title: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    store: str = ""
    reply: type[Any] | None = None

    @property
    def wildcard(self) -> str:
        """``logs.{project}.{job}`` as ``logs.*.*``."""
        return re.sub(r"\{[a-z]+\}", "*", self.address)


ALL: Final = SERVICES
CHANNELS: Final[tuple[Channel, ...]] = (
    Channel(
        address="feedback.{project}.{source}",
        kind="stream",
        store="FEEDBACK",
        message=FeedbackItem,
        title="A report came in",
        writers=("gateway", "collector"),
        readers=("triage",),
    ),
    Channel(
        address="requests.plan.{project}.{cluster}",
        kind="stream",
        store="REQUESTS",
        message=PlanRequest,
        title="A plan is to be made, edited, approved or checked",
        writers=("gateway", "orchestrator"),
        readers=("planner",),
    ),
    Channel(
        address="requests.fix.{project}.{cluster}",
        kind="stream",
        store="REQUESTS",
        message=FixRequest,
        title="A cluster is to be fixed",
        writers=("gateway",),
        readers=("orchestrator",),
    ),
    Channel(
        address="requests.cancel.{project}.{job}",
        kind="stream",
        store="REQUESTS",
        message=CancelRequest,
        title="A job is to be cancelled",
        writers=("gateway",),
        readers=("orchestrator",),
    ),
    Channel(
        address="runners.{runner}.{project}.{job}",
        kind="stream",
        store="RUNNERS",
        message=RunnerTask,
        title="An attempt is handed to the runner of this name",
        writers=("orchestrator",),
        readers=("runner",),
    ),
    Channel(
        address="jobs.{project}.{job}.status",
        kind="stream",
        store="JOBS",
        message=JobEvent,
        title="A job changed",
        writers=("orchestrator",),
        readers=("gateway", "triage"),
    ),
    Channel(
        address="jobs.{project}.{job}.attempt",
        kind="stream",
        store="JOBS",
        message=AttemptEvent,
        title="A runner tells of its progress",
        writers=("runner",),
        readers=("orchestrator", "gateway"),
    ),
    Channel(
        address="clusters.{project}.{cluster}",
        kind="stream",
        store="CLUSTERS",
        message=Cluster,
        title="A cluster changed; the last message is its state",
        writers=("triage",),
        readers=("gateway", "orchestrator", "planner", "triage"),  # triage reads its own to delete a project's
    ),
    Channel(
        address="logs.{project}.{job}",
        kind="stream",
        store="LOGS",
        message=LogChunk,
        title="What a job printed",
        writers=("runner",),
        readers=("gateway",),
    ),
    Channel(
        address="dead.{service}",
        kind="stream",
        store="DEAD",
        message=DeadLetter,
        title="A message that its worker gave up on",
        writers=SERVICES,
        readers=("gateway",),
    ),
    Channel(
        address="$KV.jobs.{project}.{job}",
        kind="key-value",
        store="KV_jobs",
        message=Job,
        title="The authority on a job",
        writers=("orchestrator",),
        readers=ALL,
    ),
    Channel(
        address="$KV.plans.{project}.{cluster}",
        kind="key-value",
        store="KV_plans",
        message=PlanRecord,
        title="A cluster's plan and the outcome of its requests",
        writers=("planner",),
        readers=ALL,
    ),
    *(
        Channel(
            address=f"$KV.projects.{key}",
            kind="key-value",
            store="KV_projects",
            message=message,
            title=title,
            writers=("gateway",),
            readers=ALL,
        )
        for key, message, title in (
            ("project.{project}", Project, "A project and its settings"),
            ("user.{user}", User, "A user"),
            ("key.{key}", ApiKey, "The hash of an API key"),
            ("fix.{project}.{cluster}", FixLock, "The intent to fix a cluster"),
            ("idem.{project}.{hash}", IdempotentAnswer, "The answer to a repeated POST, for 24 hours"),
        )
    ),
    Channel(
        address="$KV.runners.{runner}.{instance}",
        kind="key-value",
        store="KV_runners",
        message=RunnerInfo,
        title="A runner that is alive; ends 30 seconds after its last beat",
        writers=("runner",),
        readers=("orchestrator", "gateway"),
    ),
    Channel(
        address="$KV.secrets.{job}",
        kind="key-value",
        store="KV_secrets",
        message=SealedSecret,
        title="A user's token, sealed; renewed by the runner at work, deleted by the orchestrator when the job ends",
        writers=("gateway", "runner", "orchestrator"),
        readers=("runner",),
    ),
    Channel(
        address="$KV.collector.{project}.{source}.{feed}",
        kind="key-value",
        store="KV_collector",
        message=PollState,
        title="How far a polled source has been read, and how the last poll went",
        writers=("collector",),
        readers=("gateway",),
    ),
    *(
        Channel(
            address=f"attempts.{operation}.{{runner}}.{{job}}",
            kind="request",
            message=AttemptCall,
            reply=AttemptReply,
            title=title,
            writers=("runner",),
            readers=("orchestrator",),
        )
        for operation, title in (
            ("claim", "A runner asks for the right to an attempt"),
            ("heartbeat", "A runner keeps its lease"),
            ("publish", "A runner asks for the right to push"),
            ("finish", "A runner hands in the outcome"),
        )
    ),
)


def triage_channels() -> tuple[Channel, ...]:
    """The operations that triage serves, from its own table."""
    from schemas.triage import OPERATIONS, Reply

    return tuple(
        Channel(
            address=f"triage.{operation}",
            kind="request",
            message=types[0],
            reply=Reply,
            title=f"Ask triage: {operation.replace('_', ' ')}; ok is {getattr(types[1], '__name__', types[1])}",
            writers=("gateway", "planner"),
            readers=("triage",),
        )
        for operation, types in OPERATIONS.items()
    )
