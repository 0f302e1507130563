"""``triage.<operation>`` in and out: decode, dispatch, and an answer for everything that can go wrong."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from messaging.ports import Bus, BusError, Call
from runtime.logs import logger
from schemas.base import encode
from schemas.triage import OPERATIONS, CallError, Reply
from schemas.triage_results import FieldError
from services.triage.database import Database, DatabaseDown
from services.triage.embedder import Embedder
from services.triage.grouping import Grouping
from services.triage.lease import LeaseLost
from services.triage.outbox import Outbox

log = logger("triage.calls")
REPLY_BYTES: Final = 800_000  # of a page; the broker's limit is 1 MiB


class Problem(Exception):
    """An operation cannot be done; answered to the caller as it is."""

    def __init__(self, status: int, code: str, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        errors = [FieldError(field=field, reason=detail)] if field else []
        self.error = CallError(status=status, code=code, detail=detail, errors=errors)


def not_found(what: str) -> Problem:
    """``Cluster not found`` and its like."""
    return Problem(404, "not_found", f"{what} not found")


def invalid(field: str, reason: str) -> Problem:
    """422 with the field."""
    return Problem(422, "invalid", reason, field=field)


@dataclass(frozen=True, slots=True)
class Desk:
    """What operations work with."""

    database: Database
    grouping: Grouping
    outbox: Outbox
    bus: Bus
    instance: str
    embedder: Embedder | None = None

    def now(self) -> datetime:
        """The time that a change is recorded with."""
        return datetime.now(UTC)


Operation = Callable[[Desk, Any], Awaitable[Any]]


class Switchboard:
    """Answers calls from a table of operations."""

    def __init__(self, desk: Desk, operations: Mapping[str, Operation]) -> None:
        missing = OPERATIONS.keys() ^ operations.keys()
        if missing:
            raise ValueError(f"operations and schemas.triage disagree on {sorted(missing)}")
        self._desk, self._operations = desk, operations
        self._decoders = {name: msgspec.json.Decoder(types[0]) for name, types in OPERATIONS.items()}

    async def answer(self, call: Call) -> bytes:
        """The reply's bytes; never raises but for bugs, which the bus tells the caller."""
        operation = call.subject.removeprefix("triage.")
        try:
            if operation not in self._operations:
                raise Problem(404, "unknown_operation", f"triage has no operation {operation!r}")
            request = self._decode(operation, call.data)
            return ok(await self._operations[operation](self._desk, request))
        except Problem as problem:
            return encode(Reply(error=problem.error))
        except (DatabaseDown, LeaseLost, BusError) as error:
            log.warning("call.unavailable", operation=operation, reason=str(error))
            detail = "Triage's database or engine does not answer; nothing was changed. Try again in a moment."
            return encode(Reply(error=CallError(status=503, code="unavailable", detail=detail, retry_after=1.0)))

    def _decode(self, operation: str, data: bytes) -> Any:
        try:
            return self._decoders[operation].decode(data)
        except msgspec.ValidationError as error:
            reason, _, path = str(error).partition(" - at ")
            raise invalid(path.strip("`$.") or "body", reason) from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise Problem(400, "bad_json", f"the call is not valid JSON: {error}") from error


def ok(result: Any) -> bytes:
    """A reply that holds a result."""
    return b'{"ok":' + encode(result) + b"}"


def fitting(items: list[Any], limit: int = REPLY_BYTES) -> list[Any]:
    """The first items whose JSON fits a reply; at least one."""
    room = limit
    for place, item in enumerate(items):
        room -= len(encode(item)) + 1
        if room < 0 and place:
            return items[:place]
    return items
