"""Names of every subject, stream, bucket and key. The only place that joins tokens with dots.

NATS accepts a publish to the literal subject ``logs.*``, so each token is checked before it is joined.
"""

import re
from typing import Final

TOKEN: Final = re.compile(r"^[A-Za-z0-9_-]{1,64}\Z")

FEEDBACK: Final = "FEEDBACK"
REQUESTS: Final = "REQUESTS"
RUNNERS: Final = "RUNNERS"
JOBS: Final = "JOBS"
CLUSTERS: Final = "CLUSTERS"
LOGS: Final = "LOGS"
DEAD: Final = "DEAD"

KV_JOBS: Final = "jobs"
KV_PLANS: Final = "plans"
KV_PROJECTS: Final = "projects"
KV_RUNNERS: Final = "runners"
KV_SECRETS: Final = "secrets"
KV_COLLECTOR: Final = "collector"
OBJECTS: Final = "artifacts"


class InvalidToken(ValueError):
    """A project, cluster, job, runner or source name that must not become part of a subject."""


def token(value: str, name: str = "token") -> str:
    """The value itself when it matches ``^[A-Za-z0-9_-]{1,64}$``, else InvalidToken naming the field."""
    if not TOKEN.match(value):
        raise InvalidToken(f"{name} must be 1 to 64 of A-Z a-z 0-9 _ -, got {value[:80]!r}")
    return value


def _join(head: str, **tokens: str) -> str:
    return ".".join([head, *(token(value, name) for name, value in tokens.items())])


def feedback(project: str, source: str) -> str:
    """``feedback.<project>.<source>``: written by gateway and collector, read by triage."""
    return _join("feedback", project=project, source=source)


def plan_request(project: str, cluster: str) -> str:
    """``requests.plan.<project>.<cluster>``: written by gateway and orchestrator, read by the planner."""
    return _join("requests.plan", project=project, cluster=cluster)


def fix_request(project: str, cluster: str) -> str:
    """``requests.fix.<project>.<cluster>``: written by the gateway, read by the orchestrator."""
    return _join("requests.fix", project=project, cluster=cluster)


def cancel_request(project: str, job: str) -> str:
    """``requests.cancel.<project>.<job>``: written by the gateway, read by the orchestrator."""
    return _join("requests.cancel", project=project, job=job)


def runner_task(runner: str, project: str, job: str) -> str:
    """``runners.<runner>.<project>.<job>``: written by the orchestrator, read by the runner of that name."""
    return _join("runners", runner=runner, project=project, job=job)


def job_status(project: str, job: str) -> str:
    """``jobs.<project>.<job>.status``: written by the orchestrator, read by anyone."""
    return _join("jobs", project=project, job=job) + ".status"


def job_attempt(project: str, job: str) -> str:
    """``jobs.<project>.<job>.attempt``: written by the runner, read by the orchestrator and anyone."""
    return _join("jobs", project=project, job=job) + ".attempt"


def cluster(project: str, cluster_id: str) -> str:
    """``clusters.<project>.<cluster>``: written by triage, read by gateway and planner."""
    return _join("clusters", project=project, cluster=cluster_id)


def logs(project: str, job: str) -> str:
    """``logs.<project>.<job>``: written by the runner, read by the gateway and any log consumer."""
    return _join("logs", project=project, job=job)


def dead(service: str) -> str:
    """``dead.<service>``: what that service could not process."""
    return _join("dead", service=service)


def attempt_call(operation: str, runner: str, job: str) -> str:
    """``attempts.<claim|heartbeat|publish|finish>.<runner>.<job>``: request/reply, answered by the orchestrator."""
    if operation not in ("claim", "heartbeat", "publish", "finish"):
        raise InvalidToken(f"unknown attempt operation {operation!r}")
    return _join(f"attempts.{operation}", runner=runner, job=job)


def triage_call(operation: str) -> str:
    """``triage.<operation>``: request/reply, answered by triage."""
    return _join("triage", operation=operation)


def key(*tokens: str) -> str:
    """A key of a KV bucket: tokens joined by dots, each checked."""
    return ".".join(token(value, "key") for value in tokens)
