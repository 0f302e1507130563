"""Why something did not work, in words a person can act on, and what nobody could process."""

from typing import Literal

from schemas.base import Message, Part, Timestamp

FailureClass = Literal[
    "infrastructure",  # a sandbox, broker or forge fault of ours: retried, never fed to the agent
    "lost_runner",  # heartbeats stopped: retried on another runner
    "model_unavailable",  # the model endpoint is down, refuses, or answers garbage: retried with delay
    "budget",  # tokens, money, time or log bytes of the job are spent: not retried
    "agent",  # the agent ended badly or did not end: retried once
    "no_changes",  # the agent ended well and changed nothing: not retried
    "verification",  # the tests fail on the patch: not retried
    "gate",  # the patch gate refused the patch: not retried
    "repository",  # does not clone, base branch gone, no write access: not retried
    "configuration",  # Kilocode missing, no isolation, no such runner: not retried
    "planning",  # no plan could be made: not retried
    "deadline",  # a state outlived its deadline: not retried
    "cancelled",  # a person cancelled
]


class Failure(Part, frozen=True, kw_only=True):
    """What happened (``reason``), its class, and what to do next (``action``).

    ``retry_at``: somebody else said when it may be tried again, and that before then it will not work.
    """

    kind: FailureClass
    reason: str
    action: str = ""
    detail: str = ""
    retry_at: Timestamp | None = None


class DeadLetter(Message, frozen=True, kw_only=True):
    """``dead.<service>``: a message its worker gave up on. ``data`` is the original payload as text, cut at 256 KiB."""

    id: str
    service: str
    subject: str
    stream: str
    sequence: int
    reason: str
    deliveries: int
    data: str
    headers: dict[str, str] = {}
    at: Timestamp
