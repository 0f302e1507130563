"""One attempt at a job: the task a runner gets, its calls to the orchestrator, and the events it publishes."""

from typing import Literal

from schemas.base import Message, Timestamp
from schemas.clusters import Cluster
from schemas.errors import Failure
from schemas.jobs import FollowUp, ForkMode, Limits, Phase, Report, Usage, Waiting
from schemas.plans import Plan
from schemas.spending import Left


class RunnerTask(Message, frozen=True, kw_only=True):
    """``runners.<runner>.<project>.<job>``: all a runner needs for one attempt; it calls nobody back for more."""

    job_id: str
    project_id: str
    cluster_id: str
    runner: str
    attempt: int
    cluster: Cluster
    plan: Plan
    repo_url: str
    base_branch: str
    base_commit: str
    branch: str  # soulcaster/<job>
    limits: Limits
    deadline: Timestamp
    has_secret: bool = False
    spent: Usage = Usage()  # what earlier attempts of the job used
    resume_key: str | None = None  # artifact key of the bundle an earlier attempt saved
    approve_patch: str | None = None
    agent: str | None = None  # kilocode, opencode; None: the runner's default
    follow_up: FollowUp | None = None  # work on this pull request's branch instead of a new one
    fork: ForkMode | None = None  # push to a fork where the token may not write; None: as the runner is set
    created_at: Timestamp


class AttemptCall(Message, frozen=True, kw_only=True):
    """``attempts.<operation>.<runner>.<job>``: one call of ``attempt``'s holder ``instance``.

    heartbeat carries ``phase``, ``usage`` and what the attempt is ``waiting`` for; finish carries the outcome.
    """

    job_id: str
    project_id: str
    runner: str
    instance: str
    attempt: int
    phase: Phase | None = None
    usage: Usage | None = None
    waiting: Waiting | None = None
    outcome: Literal["success", "failed", "cancelled", "needs_review"] | None = None
    failure: Failure | None = None
    report: Report | None = None
    pr_url: str | None = None
    branch: str | None = None
    patch_key: str | None = None
    bundle_key: str | None = None


class AttemptReply(Message, frozen=True, kw_only=True):
    """``ok``: go on. ``cancel``: stop, save, finish as cancelled. ``lost``: not yours any more: stop, write nothing."""

    answer: Literal["ok", "cancel", "lost"]
    token: int = 0  # the fencing token: the attempt number
    reason: str = ""
    left: Left | None = None  # what the project may still spend, this job's own use told of here included


class AttemptEvent(Message, frozen=True, kw_only=True):
    """``jobs.<project>.<job>.attempt``: progress told by the runner; facts for readers, never authority."""

    job_id: str
    project_id: str
    runner: str
    instance: str
    attempt: int
    kind: Literal["claimed", "phase", "usage", "finished", "retrying"]
    phase: Phase | None = None
    usage: Usage | None = None
    outcome: str | None = None
    message: str = ""
    at: Timestamp
