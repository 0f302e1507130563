"""Proofs of origin over raw bytes: constant-time, any active secret of a rotation accepted."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from sources.base import Settings
from sources.errors import Filtered, Unauthorized

SECRET_HEADER = "X-Soulcaster-Secret"  # noqa: S105 - the name of a header, for vendors that cannot sign


def secrets_of(settings: Settings) -> list[bytes]:
    """All active secrets, as bytes; empty ones do not count."""
    found = settings.get("secrets") or []
    return [secret.encode("utf-8", "surrogatepass") for secret in found if isinstance(secret, str) and secret]


def header(headers: Mapping[str, str], name: str) -> str | None:
    """The value of a header whatever its case; a header sent twice with different values is Unauthorized."""
    found = {value for key, value in headers.items() if key.lower() == name.lower()}
    if len(found) > 1:
        raise Unauthorized(f"the header {name} was sent more than once")
    return next(iter(found), None)


def matches(given: str, expected: list[bytes]) -> bool:
    """Whether ``given`` equals one of the expected values; takes the same time for each wrong one."""
    raw = given.encode("utf-8", "surrogatepass")
    results = [hmac.compare_digest(raw, value) for value in expected]
    return any(results)


def hex_digests(body: bytes, secrets: list[bytes], digest: Callable[..., Any] = hashlib.sha256) -> list[bytes]:
    """``hex(HMAC(secret, body))`` for each secret."""
    return [hmac.new(secret, body, digest).hexdigest().encode() for secret in secrets]


def base64_digests(body: bytes, secrets: list[bytes], digest: Callable[..., Any] = hashlib.sha256) -> list[bytes]:
    """``base64(HMAC(secret, body))`` for each secret."""
    return [base64.b64encode(hmac.new(secret, body, digest).digest()) for secret in secrets]


def require_secret(headers: Mapping[str, str], settings: Settings, *names: str) -> None:
    """One of the headers must carry an active secret, when the project has set any."""
    secrets = secrets_of(settings)
    if not secrets:
        return
    given = [value for name in names if (value := header(headers, name)) is not None]
    if not given:
        raise Unauthorized(f"no secret in the header {names[0]}: set it at the sender as the documentation shows")
    if not any([matches(value, secrets) for value in given]):  # noqa: C419 - all() compared, none skipped
        raise Unauthorized(f"the secret in {names[0]} is not the one set for this project")


def admit(settings: Settings, source: str) -> None:
    """Raise Filtered when the project has switched the source off."""
    if settings.get("enabled") is False:
        raise Filtered(f"{source} is disabled for this project")


def allowed(settings: Settings, key: str, *, empty_means_all: bool) -> list[str] | None:
    """A filter list of the settings as texts, or None when everything passes (unset, ``*``, maybe empty)."""
    values = settings.get(key)
    if not isinstance(values, list | tuple | set | frozenset):
        return None
    texts = [str(value).strip() for value in values]
    if "*" in texts or (not texts and empty_means_all):
        return None
    return texts
