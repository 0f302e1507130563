"""Makes sandboxes on ECS/Fargate: one task for each asking, subnet after subnet, found again by tags."""

import asyncio
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from runner_core.model_door import ModelDoor
from runner_core.protocols import Found, Sandbox, SandboxError, SandboxSpec, Tag
from runtime.ids import derived
from runtime.logs import logger
from schemas.errors import Failure
from services.runner_aws.aws import ERRORS, Aws, Clients, absent, failure
from services.runner_aws.container_log import ContainerLog, Streams
from services.runner_aws.mailbox import Mailbox
from services.runner_aws.model import AGAIN, NO_ROOM, STARTING, Refusal, read_tags, tags
from services.runner_aws.sandbox import FargateSandbox, Inside, Patience
from services.runner_aws.tasks import Place, Refused, Task, Tasks

log = logger("runner.fargate")
GUIDE: Final = "docs/how-to/aws.md shows how to get them."


@dataclass(frozen=True, slots=True)
class _Asking:
    """One sandbox to make; ``number`` tells askings with the same tag apart."""

    spec: SandboxSpec
    number: int

    def token(self, turn: int) -> str:
        """26 characters; the same for a repeat, another after a definite refusal."""
        tag = self.spec.tag
        parts = ("ecs", tag.runner, tag.job_id, str(tag.attempt), tag.purpose, str(self.number), str(turn))
        return derived(*parts).lower()


class FargateProvider:
    """See ``runner_core.protocols.SandboxProvider``. Without ``door`` no sandbox reaches a model."""

    kind = "fargate"
    capabilities: tuple[str, ...] = ("isolated", "model-proxy-url", "remote")

    def __init__(self, place: Place, aws: Aws, door: ModelDoor | None, patience: Patience = Patience()) -> None:
        self._place, self._aws, self._door, self._patience = place, aws, door, patience
        self._tasks = Tasks(place, self._opened, interval=patience.describe, patience=patience.stopping)
        self._room = asyncio.Semaphore(place.concurrency)
        self._clients: Clients | None = None
        self._streams: Streams | None = None  # known once the probe has found nothing wrong
        self._askings: Counter[Tag] = Counter()
        self._turn = 0  # so that sandboxes spread over the subnets
        self._own: set[str] = set()

    async def probe(self) -> Failure | None:
        if (problem := missing(self._place, self._door)) is not None:
            return problem
        try:
            return await self._reachable()
        except ERRORS as error:
            return failure(error, "looking at the cluster, the task definition and the bucket")

    async def create(self, spec: SandboxSpec) -> Sandbox:
        if self._streams is None and (problem := await self.probe()) is not None:
            raise SandboxError(problem)
        with ExitStack() as held:
            url = await self._address(spec, held)
            await self._room.acquire()
            held.callback(self._room.release)
            self._askings[spec.tag] += 1
            inside = await self._made(_Asking(spec, self._askings[spec.tag]))
            self._own.add(inside.task.id)
            held.callback(self._own.discard, inside.task.id)
            return FargateSandbox(inside, self._tasks, spec, url, self._patience, held.pop_all())

    async def find_by_tag(self, runner: str) -> list[Found]:
        """Ours, and those whose mailbox has not been written for so long that their runner must be dead."""
        if missing(self._place, self._door) is not None:
            return []
        await self._open()
        found: list[Found] = []
        for task in await self._tasks.listed(runner):
            tag, mailbox = read_tags(task)
            task_id = str(task["taskArn"]).rpartition("/")[2]
            if tag.runner == runner and (task_id in self._own or await self._forsaken(mailbox)):
                found.append(Found(task_id, tag))
        return found

    async def destroy(self, sandbox_id: str) -> None:
        await self._open()
        described = await self._tasks.described(sandbox_id)
        if described is None:
            return
        arn = str(described["taskArn"])
        held = self._tasks.watches(arn)
        task = self._tasks.watch(arn)
        try:
            await self._tasks.stop(task, "soulcaster: nobody holds the sandbox")
        finally:
            if not held:
                self._tasks.forget(task)
        if mailbox := read_tags(described)[1]:
            await self._mailbox(mailbox).clear()

    async def close(self) -> None:
        await self._tasks.close()
        await self._aws.close()

    async def _reachable(self) -> Failure | None:
        clients, place = await self._open(), self._place
        clusters = (await clients.ecs.describe_clusters(clusters=[place.cluster]))["clusters"]
        if not clusters or clusters[0].get("status") != "ACTIVE":
            reason = f"There is no active ECS cluster {place.cluster!r} in {self._aws.region}."
            return Failure(kind="configuration", reason=reason, action="Correct ECS_CLUSTER_NAME or AWS_REGION.")
        definition = await clients.ecs.describe_task_definition(taskDefinition=place.task_definition)
        definition = definition["taskDefinition"]
        if not any(c.get("name") == place.container for c in definition["containerDefinitions"]):
            reason = f"The task definition {place.task_definition!r} has no container {place.container!r}."
            return Failure(kind="configuration", reason=reason, action="Correct ECS_TASK_DEFINITION.")
        try:
            await clients.s3.head_bucket(Bucket=place.bucket)
        except clients.s3.exceptions.ClientError as error:
            if not absent(error):
                raise
            reason = f"There is no bucket {place.bucket!r}."
            return Failure(kind="configuration", reason=reason, action="Correct ECS_MAILBOX_BUCKET.")
        self._streams = Streams.of(definition, place.container)
        return None

    async def _address(self, spec: SandboxSpec, held: ExitStack) -> str:
        """The model's address for this sandbox; empty for one that needs none."""
        if spec.model_url is not None or spec.model_socket is None:
            return spec.model_url or ""
        assert self._door is not None, "missing() has looked"
        try:
            await self._door.start()
        except OSError as error:
            reason = f"The model proxy's port cannot be opened: {error.strerror}."
            raise SandboxError(Failure(kind="configuration", reason=reason, action="Set MODEL_PROXY_PORT.")) from error
        return held.enter_context(self._door.route(spec.model_socket))

    async def _made(self, asking: _Asking) -> Inside:
        """Subnet after subnet, and that some rounds long. Raises SandboxError."""
        subnets, first = self._place.subnets, self._turn
        self._turn += 1
        said: list[str] = []
        for turn in range(len(subnets) * self._patience.rounds):
            if turn and turn % len(subnets) == 0:
                await asyncio.sleep(self._patience.pause * turn / len(subnets))
            subnet = subnets[(first + turn) % len(subnets)]
            try:
                return await self._tried(asking, subnet, asking.token(turn))
            except Refused as no:
                log.info("task.refused", job_id=asking.spec.tag.job_id, subnet=subnet, reason=str(no))
                said.append(f"{subnet}: {no.refusal.failure.reason} {no.refusal.failure.detail}")
                if not no.refusal.elsewhere:
                    raise SandboxError(no.refusal.failure) from no
        reason = f"ECS started no task in {len(subnets)} subnet(s) after {len(said)} tries."
        raise SandboxError(
            Failure(kind="infrastructure", reason=reason, action=NO_ROOM, detail="\n".join(said)[-4000:])
        )

    async def _tried(self, asking: _Asking, subnet: str, token: str) -> Inside:
        tag, mailbox = asking.spec.tag, self._mailbox(token)
        environment = {"JOB_ID": tag.job_id, "SOULCASTER_TOKEN": await mailbox.open()}
        task: Task | None = None
        try:
            task = await self._tasks.run(subnet, token, environment, tag.runner, tags(tag, token))
            container = ContainerLog(
                lambda: self._opened().logs, self._streams or Streams(), task.id, self._patience.logs
            )
            try:
                await self._ready(task, mailbox, container)
            except BaseException:
                container.close()
                raise
        except BaseException:
            await asyncio.shield(self._undone(task, mailbox))
            raise
        return Inside(task, mailbox, container)

    async def _ready(self, task: Task, mailbox: Mailbox, container: ContainerLog) -> None:
        """Wait for the container's hello. Raises Refused, and SandboxError where another try would change nothing."""
        since, beaten, running = time.monotonic(), time.monotonic(), False
        while await mailbox.read("hello") is None:
            now = time.monotonic()
            if task.stop is not None:
                detail = f"{task.stop.failure.detail}\n{await container.last_words(self._patience.logs)}".strip()
                failure = msgspec.structs.replace(task.stop.failure, detail=detail[-4000:])
                raise Refused(Refusal(failure, task.stop.elsewhere or task.stop.why == "spot"))
            if not running and task.status not in STARTING:
                running, since = True, now
            if now - since > (self._patience.hello if running else self._patience.starting):
                raise Refused(_stuck(task, running, now - since, await container.last_words(self._patience.logs)))
            if now - beaten > self._patience.ttl / 4:
                beaten = now
                await mailbox.beat()
            await asyncio.sleep(self._patience.poll)

    async def _undone(self, task: Task | None, mailbox: Mailbox) -> None:
        """Nothing stays behind; what AWS does not do now, the container's own end and the reaper do."""
        try:
            if task is not None and task.stop is None:
                await self._tasks.ask_to_stop(task.arn, "soulcaster: the task is not of use")
            await mailbox.clear()
        except SandboxError as error:
            log.warning("task.not_undone", task=task.id if task else None, reason=str(error))
        finally:
            if task is not None:
                self._tasks.forget(task)

    async def _forsaken(self, mailbox: str) -> bool:
        age = await self._mailbox(mailbox).age() if mailbox else None
        return age is None or age > self._patience.ttl

    def _mailbox(self, name: str) -> Mailbox:
        patience = self._patience
        token = patience.starting + patience.hello + 300
        return Mailbox(self._opened().s3, self._place.bucket, name, ttl=patience.ttl, token=token)

    async def _open(self) -> Clients:
        self._clients = await self._aws.clients()
        return self._clients

    def _opened(self) -> Any:
        assert self._clients is not None, "_open came first"
        return self._clients


def missing(place: Place, door: ModelDoor | None) -> Failure | None:
    """Which settings are empty, by name."""
    needed = {
        "ECS_CLUSTER_NAME": place.cluster,
        "ECS_TASK_DEFINITION": place.task_definition,
        "ECS_SUBNET_IDS": place.subnets,
        "ECS_SECURITY_GROUP_IDS": place.security_groups,
        "ECS_MAILBOX_BUCKET": place.bucket,
        "MODEL_PROXY_PUBLIC_URL": door,
    }
    if empty := [name for name, value in needed.items() if not value]:
        reason = "The AWS runner is not set up."
        return Failure(kind="configuration", reason=reason, action=f"Set {', '.join(empty)}. {GUIDE}")
    assert door is not None
    parts = urlsplit(door.public_url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")):
        return None
    reason = f"MODEL_PROXY_PUBLIC_URL is {door.public_url!r}, which is no https:// address."
    return Failure(kind="configuration", reason=reason, action=f"Put a TLS proxy before MODEL_PROXY_PORT. {GUIDE}")


def _stuck(task: Task, running: bool, seconds: float, words: str) -> Refusal:
    if running:
        reason = f"The container did not reach its mailbox within {seconds:.0f} s."
        action = "Let the security group reach S3 on port 443, by a gateway endpoint, NAT or a public address."
    else:
        reason, action = f"The ECS task stayed {task.status} for {seconds:.0f} s.", AGAIN
    return Refusal(Failure(kind="infrastructure", reason=reason, action=action, detail=words), elsewhere=True)
