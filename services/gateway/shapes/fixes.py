"""Plans, fixes, jobs and their logs."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from services.gateway.shapes.base import Body, OpenBody, Page, Query, Reply, RepoUrl, Text, Token

Branch = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/+-]*$")]
Line = Annotated[str, StringConstraints(max_length=4000)]
Lines = Annotated[list[Line], Field(max_length=200)]
Command = Annotated[str, StringConstraints(max_length=2000)]
JobStatus = Literal["pending", "running", "success", "failed", "cancelled", "needs_review"]


class PlanWish(OpenBody):
    """What to plan for; all optional."""

    repo_url: RepoUrl | None = None
    base_branch: Branch | None = None


class PlannedFile(Body):
    """A file that has to change."""

    path: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    score: float = 0.0
    reasons: Lines = Field(default_factory=list)
    symbols: list[dict[str, Any]] = Field(default_factory=list)


class PlannedCheck(Body):
    """How to see that the fix works."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    command: Command | None = None
    kind: Literal["test", "lint", "manual"] = "test"


class Supposition(Body):
    """A possible cause."""

    statement: Annotated[str, StringConstraints(min_length=1, max_length=4000)]
    confidence: float = Field(default=0.0, ge=0.0, le=1.0)
    evidence_for: Lines = Field(default_factory=list)
    evidence_against: Lines = Field(default_factory=list)
    refuted_by: Line = ""


class PlanEdit(Body):
    """Fields of a plan that a person may write. Each edit is a new version."""

    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)] | None = None
    description: Text | None = None
    summary: Text | None = None
    hypotheses: Annotated[list[Supposition], Field(max_length=50)] | None = None
    candidate_files: Annotated[list[PlannedFile], Field(max_length=200)] | None = None
    steps: Lines | None = None
    validation_steps: Annotated[list[PlannedCheck], Field(max_length=50)] | None = None
    setup_commands: Annotated[list[Command], Field(max_length=50)] | None = None
    test_command: Command | None = None
    nearest_tests: Lines | None = None
    reproduction: Text | None = None
    risks: Lines | None = None
    suspect_commits: Annotated[list[dict[str, Any]], Field(max_length=50)] | None = None
    expected_size: Line | None = None
    edited_fields: Lines | None = Field(
        default=None, description="Fields that stay as people wrote them; those left out are the planner's again."
    )


class Approval(OpenBody):
    """Which version is approved; the current one when missing."""

    version: int | None = Field(default=None, ge=1)


class PlanCheck(OpenBody):
    """What to do with a stale plan."""

    reground: bool = Field(
        default=False, description="Make a plan that is found stale again, from the branch as it is now; edits stay."
    )


class PlanVersions(Reply):
    """Versions of a plan, newest first."""

    items: list[dict[str, Any]]
    next_cursor: str | None


class StartFix(OpenBody):
    """How to fix; all optional."""

    runner: Token | None = Field(default=None, description="`sandbox_kilo`, `aws_kilo` or another that is alive.")
    agent: Token | None = Field(default=None, description="`kilocode` or `opencode`: one of the runner's `agents`.")
    plan_version: int | None = Field(default=None, ge=1)
    repo_url: RepoUrl | None = None
    base_branch: Branch | None = None
    force: bool = Field(
        default=False, description="Go on although similar work is open, or files of the plan have changed since."
    )


class Again(OpenBody):
    """How to repeat; all optional."""

    force: bool = Field(default=False, description="Go on although similar work is open, or the plan is stale.")


class FixStarted(Reply):
    """The job that now exists."""

    status: Literal["ok"]
    message: str
    job_id: str
    cluster_id: str
    project_id: str


class NewJob(OpenBody):
    """The cluster to fix."""

    cluster_id: Token
    runner: Token | None = None
    agent: Token | None = None
    force: bool = False


class JobStarted(Reply):
    """The job that now exists."""

    status: Literal["ok"]
    job_id: str
    project_id: str


class AgentJob(Reply):
    """A fix job."""

    id: str
    project_id: str
    cluster_id: str
    plan_id: str | None
    runner: str | None
    agent: str | None = Field(default=None, description="Asked for by the request or the project; null: the runner's.")
    status: JobStatus
    phase: str
    attempt: int
    logs: str | None = Field(description="One line about where it stands; the log itself is under `/jobs/{id}/logs`.")
    pr_url: str | None
    artifact_url: str | None = Field(description="Path of the diff, once there is one.")
    error: str | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    branch: str | None = None
    repo_url: str | None = None
    plan_version: int | None = None
    retry_of: str | None = None
    requested_by: str | None = None
    follow_up_of: str | None = Field(default=None, description="The job whose pull request this one works on again.")
    cancel_requested: str | None = None
    max_attempts: int | None = None
    failure: dict[str, Any] | None = None
    usage: dict[str, Any] | None = Field(
        default=None, description="Of all attempts together; `unpriced_tokens` are no part of `cost_usd`."
    )
    limits: dict[str, Any] | None = None
    left: dict[str, Any] | None = Field(default=None, description="What is left of `limits`.")
    deadline: datetime | None = None
    not_before: datetime | None = None
    waiting: dict[str, Any] | None = Field(
        default=None, description="`reason` and `until`: somebody, such as GitHub, asked to come again then."
    )


class JobQuery(Page):
    """Filters of the job list."""

    status: JobStatus | None = None
    cluster_id: Token | None = None


class JobChange(OpenBody):
    """What to change. A runner alone moves its job, so in practice `cancelled` is the step a caller may take."""

    status: JobStatus | None = None
    logs: Text | None = None
    pr_url: Annotated[str, StringConstraints(max_length=1000)] | None = None


class JobChanged(Reply):
    """What was done."""

    status: str
    message: str | None = None
    project_id: str | None = None


class Cancel(OpenBody):
    """Why."""

    reason: Annotated[str, StringConstraints(max_length=500)] = ""


class LogQuery(Query):
    """Where to go on reading."""

    cursor: int = Field(default=0, ge=0, le=2**63 - 1, description="`next_cursor` of the page before.")
    limit: int = Field(default=200, ge=1, le=1000)


class LogPage(Reply):
    """A part of a job's log. `chunks[i]` is the text of `entries[i]`."""

    job_id: str
    project_id: str
    source: Literal["stream", "archive"]
    chunks: list[str]
    entries: list[dict[str, Any]]
    cursor: int
    next_cursor: int
    has_more: bool


class FollowQuery(Query):
    """Where to go on following."""

    after: int | None = Field(default=None, ge=0, le=2**63 - 1, description="The last id seen, as `Last-Event-ID`.")


class EventsQuery(Query):
    """Where to go on following the project."""

    after: str | None = Field(default=None, max_length=200, description="The last id seen, as `Last-Event-ID`.")


class TriggerAgent(OpenBody):
    """The legacy request to run the AWS agent on a GitHub issue."""

    issue_url: Annotated[str, StringConstraints(max_length=1000)] | None = None
    issue_title: Annotated[str, StringConstraints(max_length=2000)] | None = None
    issue_description: Text | None = None
    context: Text | None = None
    owner: Annotated[str, StringConstraints(max_length=100)] | None = None
    repo: Annotated[str, StringConstraints(max_length=100)] | None = None
    repo_url: Annotated[str, StringConstraints(max_length=1000)] | None = None
    cluster_id: Token | None = None


class AgentTriggered(Reply):
    """The task that will run."""

    success: Literal[True]
    message: str
    taskArn: str
    issue_url: str
    job_id: str
