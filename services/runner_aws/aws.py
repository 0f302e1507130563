"""The AWS clients of the runner, and what AWS's errors mean for an attempt."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aioboto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
)

from runner_core.protocols import SandboxError
from runtime.logs import logger
from schemas.errors import Failure
from services.runner_aws.model import AGAIN, NO_ROOM

T = TypeVar("T")
log = logger("runner.aws")
ERRORS: Final = (ClientError, BotoCoreError)
CREDENTIALS: Final = (
    "Give the runner AWS credentials: a role of its task or instance, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY. docs/how-to/aws.md lists the rights it needs."
)
REFUSED: Final = (
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "InvalidAccessKeyId", "SignatureDoesNotMatch",
    "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId", "BlockedException",
    "403",
)  # fmt: skip
ABSENT: Final = {"ClusterNotFoundException": "ECS_CLUSTER_NAME", "NoSuchBucket": "ECS_MAILBOX_BUCKET"}


@dataclass(frozen=True, slots=True)
class Clients:
    """Untyped: aioboto3 makes its clients from the service models at run time."""

    ecs: Any
    s3: Any
    logs: Any


class Aws:
    """Clients are opened with the first use and kept until ``close``. ``endpoint_url`` for a double; empty for AWS."""

    def __init__(self, region: str, endpoint_url: str = "") -> None:
        self.region, self._endpoint = region, endpoint_url or None
        self._stack, self._opening = AsyncExitStack(), asyncio.Lock()
        self._clients: Clients | None = None

    async def clients(self) -> Clients:
        async with self._opening:
            if self._clients is None:
                session = aioboto3.Session(region_name=self.region)
                style = "path" if self._endpoint else "virtual"
                config = Config(
                    connect_timeout=5,
                    read_timeout=60,
                    max_pool_connections=100,
                    retries={"mode": "standard", "total_max_attempts": 5},
                    signature_version="v4",
                )
                made = [
                    await self._stack.enter_async_context(
                        session.client(name, endpoint_url=self._endpoint, config=each)
                    )
                    for name, each in (
                        ("ecs", config),
                        ("s3", config.merge(Config(signature_version="s3v4", s3={"addressing_style": style}))),
                        ("logs", config),
                    )
                ]
                self._clients = Clients(*made)
        return self._clients

    async def close(self) -> None:
        await self._stack.aclose()
        self._clients = None


def code(error: Exception) -> str:
    """AWS's name of the error; empty when none came."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def failure(error: Exception, doing: str) -> Failure:
    """``doing`` ends the sentence "AWS failed while ..."."""
    name, detail = code(error), f"{type(error).__name__}: {error}"[:2000]
    if name in REFUSED or isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        reason = f"AWS refuses the runner while {doing}."
        return Failure(kind="configuration", reason=reason, action=CREDENTIALS, detail=detail)
    if name in ABSENT:
        reason = f"AWS does not know what {ABSENT[name]} names."
        return Failure(kind="configuration", reason=reason, action=f"Correct {ABSENT[name]}.", detail=detail)
    if _busy(name, str(error)):
        reason = f"AWS's limit was reached while {doing}."
        return Failure(kind="infrastructure", reason=reason, action=NO_ROOM, detail=detail)
    if name in ("ClientException", "InvalidParameterException", "UnsupportedFeatureException", "ValidationException"):
        action = "Check the ECS_ settings against the detail."
        reason = f"AWS refuses what was asked while {doing}."
        return Failure(kind="configuration", reason=reason, action=action, detail=detail)
    if isinstance(error, EndpointConnectionError):
        action = "Check AWS_REGION and the runner's way to the internet. It is tried again."
        return Failure(
            kind="infrastructure", reason=f"AWS cannot be reached while {doing}.", action=action, detail=detail
        )
    return Failure(kind="infrastructure", reason=f"AWS failed while {doing}.", action=AGAIN, detail=detail)


def _busy(name: str, text: str) -> bool:
    """Throttling by its many names; a quota of running or provisioning tasks comes as a plain ClientException."""
    throttled = "Throttl" in name or name in ("TooManyRequestsException", "RequestLimitExceeded", "SlowDown")
    return throttled or (
        name == "ClientException" and any(word in text for word in ("limit", "PROVISIONING", "apacity"))
    )


def sandbox_error(error: Exception, doing: str) -> SandboxError:
    return SandboxError(failure(error, doing))


def absent(error: Exception) -> bool:
    """Whether S3 says that there is no such object."""
    return code(error) in ("NoSuchKey", "404", "NotFound")


async def insist(doing: str, act: Callable[[], Awaitable[T]], *, tries: int = 4, pause: float = 0.5) -> T:
    """Again after errors that pass by, on top of botocore's own repeats. Raises SandboxError."""
    for left in reversed(range(tries)):
        try:
            return await act()
        except ERRORS as error:
            passing = failure(error, doing).kind == "infrastructure" and not absent(error)
            if not left or not passing:
                raise sandbox_error(error, doing) from error
            log.info("aws.repeated", doing=doing, reason=str(error)[:300])
        await asyncio.sleep(pause)
        pause *= 2
    raise AssertionError("unreachable")
