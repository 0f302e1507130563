"""Following a job live: a stepper and log lines at a terminal, one line an event elsewhere; and its end."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

from rich.live import Live
from rich.text import Text

from cli.client import Gateway
from cli.output import err, log_line, plain, say, span

TERMINAL = frozenset({"success", "failed", "cancelled", "needs_review"})
PHASES = ("queued", "planning", "provisioning", "checkout", "agent", "verifying", "gating", "publishing")


@dataclass(slots=True)
class Stepper:
    """The line at the bottom of a terminal: phases done, the one under way and its time. Pure but for the clock."""

    phase: str = "queued"
    status: str = "pending"
    attempt: int = 0
    began: float = field(default_factory=time.monotonic)
    phase_began: float = field(default_factory=time.monotonic)

    def move(self, event: dict[str, Any]) -> None:
        """Take in a status event."""
        if event.get("phase") != self.phase:
            self.phase_began = time.monotonic()
        self.phase, self.status = str(event.get("phase")), str(event.get("status"))
        self.attempt = int(event.get("attempt") or 0)

    def __rich__(self) -> Text:
        now = time.monotonic()
        here = PHASES.index(self.phase) if self.phase in PHASES else len(PHASES)
        text = Text(no_wrap=True, overflow="ellipsis")
        for number, name in enumerate(PHASES):
            if number < here:
                text.append("✓ ", "green")
            elif number == here:
                text.append(f"● {name} {span(now - self.phase_began)}  ", "bold cyan")
            else:
                text.append("· ", "dim")
        if self.attempt > 1:
            text.append(f"attempt {self.attempt}  ", "yellow")
        return text + Text(span(now - self.began), "dim")


async def follow_job(session: Gateway, job_id: str) -> dict[str, Any]:
    """Show phases and log lines on stderr until the job ends; the finished job."""
    if not err.is_terminal:
        return await _follow(session, job_id, None)
    stepper = Stepper()
    with Live(stepper, console=err, refresh_per_second=4, transient=True):
        return await _follow(session, job_id, stepper)


async def _follow(session: Gateway, job_id: str, stepper: Stepper | None) -> dict[str, Any]:
    tail = asyncio.create_task(_tail(session, job_id))
    try:
        async for event in session.events(f"/jobs/{job_id}/events"):
            if event.name == "end":
                break
            if event.name == "status":
                status = json.loads(event.data)
                if stepper is not None:
                    stepper.move(status)
                _told(status)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(tail), 5)
    finally:
        tail.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tail
    job: dict[str, Any] = await session.call("GET", f"/jobs/{job_id}")
    return job


async def _tail(session: Gateway, job_id: str) -> None:
    async for event in session.events(f"/jobs/{job_id}/logs/stream"):
        if event.name == "end":
            return
        for line in json.loads(event.data).get("lines", []):
            text = Text.from_ansi(log_line(line, colour=True)) if err.is_terminal else Text(plain(line))
            err.print(Text("  ") + text, soft_wrap=True, highlight=False)


def _told(event: dict[str, Any]) -> None:
    failure = event.get("failure") or {}
    reason = f": {failure.get('reason')}" if failure else ""
    message = f" ({event['message']})" if event.get("message") else ""
    say(
        plain(f"[{event.get('status')}] {event.get('phase')}, attempt {event.get('attempt')}{message}{reason}"),
        style="bold",
    )
