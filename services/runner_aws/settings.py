"""What the AWS runner can be told from outside."""

from typing import Annotated

import msgspec
from msgspec import Meta

from runner_core.settings import RunnerSettings


class Settings(RunnerSettings, frozen=True, kw_only=True):
    """Environment variables of ``python -m services.runner_aws``; durations in seconds. AWS credentials come from
    where boto3 looks for them (a role, AWS_ACCESS_KEY_ID, a profile)."""

    runner_id: Annotated[str, Meta(description="the runner's name, by which fixes are routed to it")] = "aws_kilo"
    runner_slots: Annotated[int, Meta(description="attempts at the same time")] = 5
    aws_region: Annotated[str, Meta(description="region of cluster, bucket and logs")] = "us-east-1"
    aws_endpoint_url: Annotated[str, Meta(description="address of an AWS double; empty for AWS")] = ""
    ecs_cluster_name: Annotated[str, Meta(description="cluster that tasks run in")] = ""
    ecs_task_definition: Annotated[str, Meta(description="family or ARN with a container named coding-agent")] = ""
    ecs_subnet_ids: Annotated[
        list[str], Meta(description="subnets, tried in turn when one has no capacity; best in several zones")
    ] = msgspec.field(default_factory=list)
    ecs_security_group_ids: Annotated[list[str], Meta(description="security groups of the tasks")] = msgspec.field(
        default_factory=list
    )
    ecs_assign_public_ip: Annotated[
        bool, Meta(description="true in public subnets; false in private ones with VPC endpoints or NAT")
    ] = True
    ecs_mailbox_bucket: Annotated[
        str, Meta(description="S3 bucket through which runner and containers talk (below sandboxes/)")
    ] = ""
    ecs_concurrency: Annotated[int, Meta(description="tasks at the same time")] = 20
    ecs_start_seconds: Annotated[
        float, Meta(description="a task that starts for so long is stopped, another tried")
    ] = 600.0
    model_proxy_port: Annotated[int, Meta(description="its port; 0: any free one")] = 8091
