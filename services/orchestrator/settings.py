"""What the orchestrator can be told from outside."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.orchestrator.model.rules import Rules


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Environment variables of ``python -m services.orchestrator``; durations in seconds."""

    nats_url: Annotated[str, Meta(description="address of NATS")] = "nats://127.0.0.1:4222"
    nats_creds: Annotated[str, Meta(description="credentials file for NATS; empty for none")] = ""
    log_level: Annotated[str, Meta(description="debug, info, warning or error")] = "info"
    log_format: Annotated[str, Meta(description="json or console")] = "json"
    health_port: Annotated[int, Meta(description="Port of /livez /readyz /metrics; 0 for none")] = 0
    health_host: Annotated[str, Meta(description="Address of the health port; 0.0.0.0 for probes of a cluster.")] = (
        "127.0.0.1"
    )
    coding_agent_runner: Annotated[
        str, Meta(description="runner of a fix that names none and whose project names none")
    ] = "sandbox_kilo"
    known_runners: Annotated[
        list[str], Meta(description="runner ids a fix may wait for although none of that name is alive")
    ] = msgspec.field(default_factory=lambda: ["sandbox_kilo", "aws_kilo"])
    project_concurrency: Annotated[int, Meta(description="fixes of one project handed out at the same time")] = 4
    runner_concurrency: Annotated[
        int, Meta(description="fixes one runner id holds at the same time; 0: as many as its live instances have slots")
    ] = 0
    max_attempts: Annotated[int, Meta(description="attempts of a job before it fails")] = 3
    lease_seconds: Annotated[float, Meta(description="a runner unheard of for so long is lost")] = 15.0
    claim_seconds: Annotated[float, Meta(description="a task nobody claims goes back to the queue after this")] = 30.0
    queue_seconds: Annotated[float, Meta(description="longest wait for a slot")] = 21_600.0
    runner_problem_seconds: Annotated[
        float, Meta(description="longest wait while every live runner says that it cannot work")
    ] = 60.0
    plan_seconds: Annotated[float, Meta(description="longest wait for the planner")] = 600.0
    plan_check_minutes: Annotated[
        float,
        Meta(description="a plan not compared with its branch for so long is checked before its fix starts; 0: always"),
    ] = 10.0
    plan_check_seconds: Annotated[
        float, Meta(description="longest wait for that check; the fix goes on without it")
    ] = 30.0
    publish_seconds: Annotated[float, Meta(description="longest time to push and open the pull request")] = 300.0
    cancel_seconds: Annotated[
        float, Meta(description="a cancelled attempt that does not end is cut off after this")
    ] = 60.0
    tick_seconds: Annotated[float, Meta(description="how often deadlines are looked at")] = 1.0

    def rules(self) -> Rules:
        """The numbers of the state machine."""
        return Rules(
            default_runner=self.coding_agent_runner,
            max_attempts=self.max_attempts,
            lease=self.lease_seconds,
            claim=self.claim_seconds,
            queue=self.queue_seconds,
            no_runner=self.runner_problem_seconds,
            plan=self.plan_seconds,
            check_after=self.plan_check_minutes * 60.0,
            check=self.plan_check_seconds,
            publish=self.publish_seconds,
            cancel=self.cancel_seconds,
        )
