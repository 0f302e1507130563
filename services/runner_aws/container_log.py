"""The container's own log, tailed from CloudWatch: the entry point's troubles, and a container's last words.

What commands print does not come this way but through the mailbox, whole and in order; CloudWatch lags by seconds and
cuts at 256 kB (docs/adr/0003-mailbox-in-s3.md).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from runtime.logs import logger
from services.runner_aws.aws import ERRORS, absent, code

log = logger("runner.cloudwatch")
KEPT: Final = 60
FINE: Final = "info: "  # what the entry point says when all is well


@dataclass(frozen=True, slots=True)
class Streams:
    """From the task definition's awslogs options; without a group there is nothing to tail."""

    group: str = ""
    prefix: str = ""
    container: str = "coding-agent"

    @classmethod
    def of(cls, definition: dict[str, Any], container: str) -> "Streams":
        found: dict[str, Any] = next(
            (c for c in definition.get("containerDefinitions", ()) if c.get("name") == container), {}
        )
        options = found.get("logConfiguration", {}).get("options", {})
        return cls(options.get("awslogs-group", ""), options.get("awslogs-stream-prefix", ""), container)

    def name(self, task_id: str) -> str:
        return f"{self.prefix}/{self.container}/{task_id}"


class ContainerLog:
    """Of one task. ``interval``: seconds between two looks (GetLogEvents has a quota for the whole account)."""

    def __init__(self, logs: Callable[[], Any], streams: Streams, task_id: str, interval: float) -> None:
        self._logs, self._streams, self._task, self._interval = logs, streams, task_id, interval
        self._next: str | None = None
        self._kept: deque[str] = deque(maxlen=KEPT)
        self._troubles: deque[str] = deque(maxlen=KEPT)
        self._reading = asyncio.Lock()
        self._follower = asyncio.create_task(self._follow())

    def troubles(self) -> list[str]:
        """Lines that came since the last call, but for those that say that all is well."""
        taken = list(self._troubles)
        self._troubles.clear()
        return taken

    async def last_words(self, patience: float) -> str:
        """The end of the log: events may come seconds after the task's end, so until nothing came twice in a row."""
        quiet = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while quiet < 2:
                    quiet = 0 if await self._read() else quiet + 1
                    await asyncio.sleep(patience / 8)
        return "\n".join(self._kept)

    def close(self) -> None:
        self._follower.cancel()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self._read()

    async def _read(self) -> bool:
        """Whether something came."""
        if not self._streams.group:
            return False
        where = {"logGroupName": self._streams.group, "logStreamName": self._streams.name(self._task)}
        async with self._reading:
            more = {"nextToken": self._next} if self._next else {}
            try:
                reply = await self._logs().get_log_events(**where, startFromHead=True, **more)
            except ERRORS as error:
                if not absent(error) and code(error) != "ResourceNotFoundException":  # no line yet
                    log.info("container_log.not_read", task=self._task, reason=str(error)[:300])
                return False
            self._next = reply["nextForwardToken"]
            lines = [str(event["message"]).rstrip("\n")[:2000] for event in reply["events"]]
        self._kept += lines
        self._troubles += [line for line in lines if not line.startswith(FINE)]
        return bool(lines)
