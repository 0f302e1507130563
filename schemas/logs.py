"""What a job printed, in numbered batches of lines."""

from typing import Literal

from schemas.base import Message, Timestamp
from schemas.jobs import Phase

LogStream = Literal["stdout", "stderr", "system", "agent"]


class LogChunk(Message, frozen=True, kw_only=True):
    """``logs.<project>.<job>``: lines ``first .. first+len(lines)-1`` of an attempt, numbered from 0 without gaps.

    Nats-Msg-Id is ``<job>.<attempt>.<first>``. A line longer than 64 KiB is split: ``partial`` says that the last line
    here goes on as the first of the next chunk. ``step`` groups the lines of one tool call of the agent. ``end`` marks
    the last chunk of an attempt.
    """

    job_id: str
    project_id: str
    attempt: int
    first: int
    lines: list[str]
    stream: LogStream = "stdout"
    phase: Phase = "agent"
    step: str | None = None
    partial: bool = False
    end: bool = False
    at: Timestamp
