"""Following a job live: its log lines as they come, its states, and its end."""

import asyncio
import contextlib
import json
import sys
from typing import Any

from cli.client import Gateway
from cli.output import err, is_terminal, log_line

TERMINAL = frozenset({"success", "failed", "cancelled", "needs_review"})


def print_log(lines: list[str], *, raw: bool = False, to_stderr: bool = False) -> None:
    """Log lines made safe for a terminal; ``raw`` writes them as they are."""
    stream = sys.stderr if to_stderr else sys.stdout
    colour = is_terminal()
    for line in lines:
        stream.write((line if raw else log_line(line, colour=colour)) + "\n")
    stream.flush()


async def follow_job(session: Gateway, job_id: str) -> dict[str, Any]:
    """Print phases and log lines on stderr until the job ends; the finished job."""
    tail = asyncio.create_task(_tail(session, job_id))
    try:
        async for event in session.events(f"/jobs/{job_id}/events"):
            if event.name == "end":
                break
            if event.name == "status":
                _told(json.loads(event.data))
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
        print_log(["  " + line for line in json.loads(event.data).get("lines", [])], to_stderr=True)


def _told(event: dict[str, Any]) -> None:
    failure = event.get("failure") or {}
    reason = f": {failure.get('reason')}" if failure else ""
    message = f" ({event['message']})" if event.get("message") else ""
    text = f"[{event.get('status')}] {event.get('phase')}, attempt {event.get('attempt')}{message}{reason}"
    err.print(log_line(text, colour=False), style="bold", markup=False)
