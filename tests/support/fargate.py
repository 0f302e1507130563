"""A provider at the AWS double, with what it needs around it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from runner_core.model_door import ModelDoor
from runner_core.protocols import SandboxSpec, Tag
from services.runner_aws.aws import Aws
from services.runner_aws.fargate import FargateProvider
from services.runner_aws.sandbox import Patience
from services.runner_aws.tasks import Place
from tests.support.aws_double import BUCKET, CLUSTER, FAMILY, REGION, AwsDouble, aws_double

QUICK = Patience(
    ttl=6.0, silent=6.0, starting=15.0, hello=15.0, stopping=10.0, describe=0.2, poll=0.1, logs=0.8, rounds=2, pause=0.1
)


@dataclass
class Aside:
    """The provider and the double it works at."""

    double: AwsDouble
    provider: FargateProvider
    door: ModelDoor
    place: Place


def place(double: AwsDouble) -> Place:
    return Place(CLUSTER, FAMILY, tuple(double.subnets), (double.group,), BUCKET)


@asynccontextmanager
async def fargate(folder: Path, patience: Patience = QUICK) -> AsyncIterator[Aside]:
    door = ModelDoor("http://127.0.0.1")
    await door.start()
    door.public_url = f"http://127.0.0.1:{door.port}"
    with aws_double(folder, [door.port]) as double:
        provider = FargateProvider(place(double), Aws(REGION, double.url), door, patience)
        try:
            yield Aside(double, provider, door, place(double))
        finally:
            await provider.close()
            await door.close()


def spec(job: str = "JOB1", **changes: object) -> SandboxSpec:
    made = SandboxSpec(tag=Tag("aws_kilo", job, 1), lifetime=60.0, memory_bytes=1024**3, processes=64)
    return replace(made, **changes)  # type: ignore[arg-type]
