"""Errors as RFC 9457 problem documents. Each names what happened, why, and what to do."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """An answer that is not a success. ``extra`` members are added to the document (for example ``job_id``).

    ``code`` is stable and for programs; ``detail`` is for people and is where old clients read the reason.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.errors, self.extra = list(errors), extra
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, round(retry_after)))

    @property
    def retryable(self) -> bool:
        """Whether the same request may work later."""
        return self.status in (408, 425, 429, 502, 503, 504)

    def document(self, request_id: str) -> dict[str, Any]:
        """The members of the problem document."""
        body: dict[str, Any] = {
            "type": f"/docs#{self.code}",
            "title": title(self.status),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
            "retryable": self.retryable,
        }
        if self.errors:
            body["errors"] = self.errors
        return {**body, **self.extra}

    def body(self, request_id: str) -> bytes:
        """The document as JSON."""
        return msgspec.json.encode(self.document(request_id))


def title(status: int) -> str:
    """The standard phrase of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def invalid(field: str, reason: str, *, status: int = 422) -> Problem:
    """One field is wrong."""
    return Problem(status, "invalid", f"{field}: {reason}", errors=[{"field": field, "reason": reason}])


def not_found(detail: str, code: str = "not_found") -> Problem:
    """There is no such thing in this project."""
    return Problem(404, code, detail)


def unavailable(what: str, detail: str, *, retry_after: float = 2.0) -> Problem:
    """A part of the house does not answer; ``what`` becomes the code ``<what>_unavailable``."""
    return Problem(503, f"{what}_unavailable", detail, retry_after=retry_after)
