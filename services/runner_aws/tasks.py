"""ECS tasks: run one, stop it for certain, watch them all with few calls."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from runner_core.protocols import SandboxError
from runtime.logs import logger
from schemas.errors import Failure
from services.runner_aws.aws import ERRORS, Clients, code, insist
from services.runner_aws.model import AGAIN, ENDED, Refusal, Stop, refused, started_by, stopped

log = logger("runner.ecs")
AT_ONCE: Final = 100  # tasks that one DescribeTasks takes
UNKNOWN: Final = 60.0  # seconds that a new task may be unknown to DescribeTasks: it is eventually consistent


@dataclass(frozen=True, slots=True)
class Place:
    """Where tasks run: the ECS_ settings."""

    cluster: str
    task_definition: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    bucket: str
    container: str = "coding-agent"
    public_ip: bool = True
    concurrency: int = 20


@dataclass(slots=True)
class Task:
    """What is known of a task. ``stop`` is set when no process of it runs any more."""

    arn: str
    since: float = field(default_factory=time.monotonic)
    status: str = "PROVISIONING"
    stop: Stop | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]


class Refused(Exception):
    """RunTask started nothing, or nothing of use."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.failure.reason)
        self.refusal = refusal


class Tasks:
    """``interval``: seconds between two looks at all tasks. ``patience``: how long a stop is insisted on."""

    def __init__(self, place: Place, clients: Callable[[], Clients], *, interval: float, patience: float) -> None:
        self._place, self._clients, self._interval, self._patience = place, clients, interval, patience
        self._watched: dict[str, Task] = {}
        self._watching: asyncio.Task[None] | None = None

    async def run(self, subnet: str, token: str, environment: dict[str, str], runner: str, tags: list[Any]) -> Task:
        """One task. A repeat with the same ``token`` and the same rest starts no second one. Raises Refused."""
        place = self._place
        pairs = [{"name": name, "value": value} for name, value in environment.items()]
        network = {
            "subnets": [subnet],
            "securityGroups": list(place.security_groups),
            "assignPublicIp": "ENABLED" if place.public_ip else "DISABLED",
        }
        reply = await insist(
            "starting a task",
            lambda: self._clients().ecs.run_task(
                cluster=place.cluster,
                taskDefinition=place.task_definition,
                launchType="FARGATE",
                count=1,
                clientToken=token,
                startedBy=started_by(runner),
                tags=tags,
                networkConfiguration={"awsvpcConfiguration": network},
                overrides={"containerOverrides": [{"name": place.container, "environment": pairs}]},
            ),
        )
        if not reply.get("tasks"):
            raise Refused(refused(reply.get("failures", ())))
        return self.watch(reply["tasks"][0]["taskArn"])

    def watch(self, arn: str) -> Task:
        """The one record of that task, kept current until it is forgotten."""
        task = self._watched.setdefault(arn, Task(arn))
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        return task

    def watches(self, arn: str) -> bool:
        return arn in self._watched

    def forget(self, task: Task) -> None:
        self._watched.pop(task.arn, None)

    async def stop(self, task: Task, reason: str) -> None:
        """Ask until DescribeTasks says that nothing of it runs: a StopTask may be lost. Raises SandboxError."""
        until, pause = time.monotonic() + self._patience, 0.1
        while task.stop is None:
            await self.ask_to_stop(task.arn, reason)
            asked = time.monotonic()
            while task.stop is None and time.monotonic() - asked < self._interval * 4:
                with contextlib.suppress(*ERRORS):
                    await self._look([task.arn])
                if task.stop is None and time.monotonic() > until:
                    said = f"The ECS task {task.id} does not stop."
                    raise SandboxError(Failure(kind="infrastructure", reason=said, action=AGAIN))
                await asyncio.sleep(0.0 if task.stop else pause)
                pause = min(pause * 2, self._interval)

    async def ask_to_stop(self, arn: str, reason: str) -> None:
        """Once. A task that AWS has forgotten counts as stopped. Raises SandboxError."""

        async def ask() -> None:
            try:
                await self._clients().ecs.stop_task(cluster=self._place.cluster, task=arn, reason=reason[:255])
            except self._clients().ecs.exceptions.ClientError as error:
                if "not found" not in str(error):
                    raise

        await insist("stopping a task", ask)

    async def listed(self, runner: str) -> list[dict[str, Any]]:
        """Described tasks of a runner, with tags, that somebody still wants to run. Raises SandboxError."""

        async def arns() -> list[str]:
            pages = self._clients().ecs.get_paginator("list_tasks")
            found: list[str] = []
            async for page in pages.paginate(cluster=self._place.cluster, startedBy=started_by(runner)):
                found += page["taskArns"]
            return found

        found = await insist("asking for the list of tasks", arns)
        described = [
            t for start in range(0, len(found), AT_ONCE) for t in await self._tagged(found[start : start + AT_ONCE])
        ]
        return [t for t in described if t.get("desiredStatus") != "STOPPED" and t.get("lastStatus") not in ENDED]

    async def described(self, task_id: str) -> dict[str, Any] | None:
        found = await self._tagged([task_id])
        return found[0] if found else None

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _tagged(self, arns: list[str]) -> list[dict[str, Any]]:
        reply = await insist(
            "describing tasks",
            lambda: self._clients().ecs.describe_tasks(cluster=self._place.cluster, tasks=arns, include=["TAGS"]),
        )
        return list(reply["tasks"])

    async def _watch(self) -> None:
        while self._watched:
            arns = [arn for arn, task in self._watched.items() if task.stop is None]
            for start in range(0, len(arns), AT_ONCE):
                try:
                    await self._look(arns[start : start + AT_ONCE])
                except ERRORS as error:
                    log.warning("tasks.not_described", code=code(error), reason=str(error)[:300])
            await asyncio.sleep(self._interval)

    async def _look(self, arns: list[str]) -> None:
        reply = await self._clients().ecs.describe_tasks(cluster=self._place.cluster, tasks=arns)
        found = {task["taskArn"]: task for task in reply["tasks"]}
        for arn in arns:
            if (task := self._watched.get(arn)) is not None and task.stop is None:
                self._told(task, found.get(arn))

    def _told(self, task: Task, said: dict[str, Any] | None) -> None:
        status = task.status
        if said is not None:
            task.status = str(said.get("lastStatus"))
            if task.status in ENDED:
                task.stop = stopped(said, self._place.container)
        elif time.monotonic() - task.since > UNKNOWN:
            missing = Failure(kind="infrastructure", reason="ECS knows nothing of the task any more.", action=AGAIN)
            task.stop = Stop("other", missing)
        if task.status != status or task.stop:
            log.info("task.status", task=task.id, status=task.status)
            task.changed.set()
