"""A fix job: the request, the record that is the only authority on it, and the event published at each change."""

from typing import Literal

from schemas.base import Message, Part, Timestamp
from schemas.clusters import Cluster
from schemas.errors import Failure
from schemas.plans import Plan
from schemas.spending import Spend

JobStatus = Literal["pending", "running", "success", "failed", "cancelled", "needs_review"]
Phase = Literal["queued", "planning", "provisioning", "checkout", "agent", "verifying", "gating", "publishing", "done"]
ForkMode = Literal["auto", "never"]
Verdict = Literal["reproduced", "unreproduced", "still_failing", "regressed", "not_run"]
TERMINAL: frozenset[str] = frozenset({"success", "failed", "cancelled", "needs_review"})


class Limits(Part, frozen=True, kw_only=True):
    """What a job may use: tokens, money and log bytes in all its attempts together, the rest in each of them.

    Enforced by the runner and its model proxy, outside the agent.
    """

    wall_seconds: int = 1800
    tokens: int = 2_000_000
    cost_usd: float = 5.0
    log_bytes: int = 64 * 1024 * 1024
    memory_bytes: int = 4 * 1024**3
    processes: int = 256
    patch_bytes: int = 1024 * 1024
    patch_files: int = 100


class Usage(Part, frozen=True, kw_only=True):
    """What a job has used so far, all its attempts together, as metered by the model proxy and the log pipe.

    ``unpriced_tokens``: of models whose price is not known; they are no part of ``cost_usd``.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    log_bytes: int = 0
    agent_seconds: float = 0.0
    unpriced_tokens: int = 0


class Waiting(Part, frozen=True, kw_only=True):
    """A job held up by somebody who said until when; ``reason`` is for people."""

    reason: str
    until: Timestamp


class Similar(Part, frozen=True, kw_only=True):
    """Open work that a fix would repeat or collide with; ``reason`` is for people."""

    job_id: str
    cluster_id: str
    pr_url: str | None = None
    reason: str


class Remark(Part, frozen=True, kw_only=True):
    """What a person or a check said of a pull request; ``path`` and ``line`` where it is about a place."""

    author: str
    body: str
    path: str = ""
    line: int | None = None
    url: str = ""


class FollowUp(Part, frozen=True, kw_only=True):
    """Another commit on the branch of a pull request that job ``of`` opened; ``round`` counts them from 1.

    ``review``: the runner reads what people who may write said after ``since``; the next round's begins at ``at``, both
    by GitHub's clock. ``checks``: ``remarks`` are the failing checks of commit ``sha``.
    """

    of: str
    pr_url: str
    number: int
    branch: str
    round: int
    reason: Literal["review", "checks"]
    since: Timestamp
    at: Timestamp
    sha: str = ""
    remarks: list[Remark] = []


class FixRequest(Message, frozen=True, kw_only=True):
    """``requests.fix.<project>.<cluster>``: everything the orchestrator needs to start; ``job_id`` names the job.

    ``plan`` is the snapshot of the approved or current plan when the gateway knew one; ``plan_named`` tells that the
    caller asked for ``plan_version`` and for no other. ``marks`` are what reports of the same problem share
    (``schemas.similarity``). ``force`` goes on although similar work is open or the plan is stale.
    """

    job_id: str
    project_id: str
    cluster_id: str
    cluster: Cluster
    repo_url: str
    base_branch: str | None = None
    runner: str | None = None
    plan_version: int | None = None
    plan: Plan | None = None
    plan_named: bool = False
    marks: list[str] = []
    force: bool = False
    limits: Limits = Limits()
    retry_of: str | None = None
    approve_patch: str | None = None  # artifact key of a patch held by the gate that a person released
    has_secret: bool = False  # a GitHub token waits in KV ``secrets`` under the job id
    fork: ForkMode | None = None  # the project's choice; None: the runner's
    follow_up: FollowUp | None = None
    agent: str | None = None  # the request's choice, else the project's; None: the runner's
    requested_by: str = "user"
    created_at: Timestamp


class CancelRequest(Message, frozen=True, kw_only=True):
    """``requests.cancel.<project>.<job>``."""

    job_id: str
    project_id: str
    reason: str = ""
    requested_by: str = "user"
    created_at: Timestamp


class Outgoing(Part, frozen=True, kw_only=True):
    """A message implied by a record's state: published after the compare-and-set, with the same id after a crash."""

    subject: str
    msg_id: str
    data: str  # JSON text of the message


class Check(Part, frozen=True, kw_only=True):
    """The test command on the base commit or on the patch; one that failed was run twice.

    ``with_tests``: on the base commit, but with the patch's own test files. ``failing`` are the tests that failed both
    times, ``flaky`` those that passed once; both are empty where the test runner's output names none.
    """

    command: str
    on: Literal["base", "patch"]
    exit_code: int | None
    passed: bool
    seconds: float
    output_tail: str = ""
    with_tests: bool = False
    failing: list[str] = []
    flaky: list[str] = []


class Verification(Part, frozen=True, kw_only=True):
    """``reproduced`` means that a test fails on the base commit and passes on the patch, and no other fails for it.

    ``tests`` are the test files that the patch adds or changes.
    """

    checks: list[Check] = []
    verdict: Verdict = "not_run"
    reason: str = ""
    tests: list[str] = []
    flaky: list[str] = []


class GateFinding(Part, frozen=True, kw_only=True):
    """One thing the patch gate saw; ``block`` refuses the patch, ``hold`` waits for a person, ``note`` is told only."""

    rule: str
    verdict: Literal["block", "hold", "note"]
    path: str = ""
    detail: str = ""


class Report(Part, frozen=True, kw_only=True):
    """Verification and gate report of an attempt, as shown with the job and in the pull request.

    ``resumed_from`` is the attempt whose saved work this one went on from; ``rounds`` counts how often the agent was
    sent back because tests failed.
    """

    verification: Verification = Verification()
    findings: list[GateFinding] = []
    changed_files: list[str] = []
    outside_plan: list[str] = []
    additions: int = 0
    deletions: int = 0
    summary: str = ""
    resumed_from: int | None = None
    rounds: int = 0


class Job(Message, frozen=True, kw_only=True):
    """KV ``jobs``, key ``<project>.<job>``: the authority on a job. Only the orchestrator writes it.

    ``attempt`` is the fencing token: it grows with every hand-out and a call that carries an older one is refused.
    ``deadline`` ends the job whatever happens, ``phase_deadline`` ends the current phase, ``lease_until`` is when the
    runner counts as lost. ``outbox`` holds the messages this state implies until they are published. ``touches`` are
    the files its plan most expects to change, and once it has a pull request the source files that it changed.
    """

    id: str
    project_id: str
    cluster_id: str
    status: JobStatus = "pending"
    phase: Phase = "queued"
    request: FixRequest
    plan: Plan | None = None
    plan_request_id: str | None = None
    plan_id: str | None = None
    touches: list[str] = []
    runner: str = ""
    attempt: int = 0
    max_attempts: int = 3
    claimed: bool = False
    instance: str | None = None
    cancel_requested: str | None = None  # the reason, once a person asked
    waiting: Waiting | None = None  # what holds it up until when, such as a forge's rate limit; also between attempts
    publishing: bool = False  # the attempt holds the right to push and open the pull request
    not_before: Timestamp | None = None  # a retry waits until then
    lease_until: Timestamp | None = None
    phase_deadline: Timestamp
    deadline: Timestamp
    usage: Usage = Usage()
    spending: dict[str, Spend] = {}  # by day (UTC), ISO 8601
    report: Report | None = None
    pr_url: str | None = None
    branch: str | None = None
    patch_key: str | None = None
    bundle_key: str | None = None
    failure: Failure | None = None
    history: list[Failure] = []  # failures of earlier attempts
    outbox: list[Outgoing] = []
    event_seq: int = 0
    created_at: Timestamp
    updated_at: Timestamp
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None


class JobEvent(Message, frozen=True, kw_only=True):
    """``jobs.<project>.<job>.status``: the job after a change, without its bulky parts; ``n`` counts from 1."""

    n: int
    job_id: str
    project_id: str
    cluster_id: str
    status: JobStatus
    phase: Phase
    attempt: int
    runner: str
    pr_url: str | None = None
    failure: Failure | None = None
    usage: Usage = Usage()
    message: str = ""
    follow_up_of: str | None = None  # the job whose pull request this one works on again
    at: Timestamp
