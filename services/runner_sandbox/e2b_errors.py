"""What e2b's errors mean for an attempt. The SDK's classes are listed in its ``exceptions.py`` (2.63.0); three kinds
escape them: httpx's when the API cannot be reached, ConnectError when a sandbox's connection breaks, and ValueError
when a proxy answers with something else than JSON.
"""

from typing import Final

import httpx
from connectrpc.errors import ConnectError
from e2b.exceptions import (
    AuthenticationException,
    InvalidArgumentException,
    NotEnoughSpaceException,
    NotFoundException,
    RateLimitException,
    SandboxException,
    SandboxNotFoundException,
    SandboxNotRunningException,
    ServiceBusyException,
    TemplateException,
)

from runner_core.protocols import SandboxError
from schemas.errors import Failure

ERRORS: Final = (
    SandboxException, AuthenticationException, ServiceBusyException, httpx.TransportError, ConnectError, ValueError,
)  # fmt: skip
GONE: Final = (SandboxNotFoundException, SandboxNotRunningException)
AGAIN: Final = "It is tried again; status.e2b.dev tells of outages."
KEY: Final = "Set E2B_API_KEY to a key of your team (e2b.dev/dashboard, API keys)."


def failure(error: Exception, doing: str) -> Failure:
    """``doing`` ends the sentence "e2b failed while ..."."""
    detail = f"{type(error).__name__}: {error}"[:2000]
    if isinstance(error, AuthenticationException):
        return Failure(kind="configuration", reason="e2b refuses the API key.", action=KEY, detail=detail)
    if isinstance(error, TemplateException) or (_unknown(error) and "template" in str(error).lower()):
        action = "Build it (deploy/e2b/README.md) and set E2B_TEMPLATE to its name."
        return Failure(kind="configuration", reason="e2b does not have the template.", action=action, detail=detail)
    if isinstance(error, InvalidArgumentException):
        action = "Check the E2B_ and MODEL_PROXY_ settings against the detail."
        return Failure(
            kind="configuration", reason=f"e2b refuses what was asked while {doing}.", detail=detail, action=action
        )
    if isinstance(error, RateLimitException):
        action = "Lower RUNNER_SLOTS, E2B_CONCURRENCY or E2B_CREATES_PER_SECOND, or raise the plan's limits."
        return Failure(
            kind="infrastructure", reason=f"e2b's limit was reached while {doing}.", action=action, detail=detail
        )
    if isinstance(error, GONE):
        return Failure(kind="infrastructure", reason="The e2b sandbox is gone.", action=AGAIN, detail=detail)
    if isinstance(error, NotEnoughSpaceException):
        return Failure(
            kind="agent", reason="The sandbox's disk is full.", action="Look at what wrote so much.", detail=detail
        )
    return Failure(kind="infrastructure", reason=f"e2b failed while {doing}.", action=AGAIN, detail=detail)


def sandbox_error(error: Exception, doing: str) -> SandboxError:
    return SandboxError(failure(error, doing))


def worth_repeating(error: Exception) -> bool:
    """Whether the same call may succeed a moment later."""
    return failure(error, "").kind == "infrastructure" and not isinstance(error, GONE)


def answered(error: Exception) -> bool:
    """Whether e2b said that the call failed; else nobody knows."""
    return not isinstance(error, httpx.TransportError) and getattr(error, "status_code", None) is not None


def _unknown(error: Exception) -> bool:
    return isinstance(error, NotFoundException) or getattr(error, "status_code", None) in (400, 403, 404)
