"""Asking triage over request/reply, and turning its refusals into problems."""

from typing import Any

import msgspec

from messaging.ports import Bus, BusError, NoResponders, Unavailable
from schemas import subjects, triage
from services.gateway.problems import Problem, unavailable


class RawPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page whose items stay JSON."""

    items: list[msgspec.Raw] = []
    total: int = 0
    next_cursor: str | None = None


class Triage:
    """``ask`` returns the reply's JSON untouched, so that large lists are not decoded just to be encoded again."""

    def __init__(self, bus: Bus, seconds: float) -> None:
        self.bus, self.seconds = bus, seconds

    async def ask(
        self, operation: str, project: str = "", *, seconds: float | None = None, **values: Any
    ) -> msgspec.Raw:
        """The ``ok`` part of the reply to one of ``schemas.triage.OPERATIONS``. None values are left out.

        Problem with triage's own status and reason, or 503 without an answer. A reply with status 5xx becomes 503: the
        fault is in the house, not in the request.
        """
        body = {name: value for name, value in values.items() if value is not None}
        if project:
            body["project_id"] = project
        data = await self._send(operation, msgspec.json.encode(body), seconds or self.seconds)
        try:
            reply = msgspec.json.decode(data, type=triage.Reply)
        except msgspec.MsgspecError as why:
            raise unavailable("triage", "Triage answered something that is not its protocol.") from why
        if reply.error is not None:
            raise refused(reply.error)
        return reply.ok

    async def value(self, operation: str, project: str = "", **values: Any) -> Any:
        """The ``ok`` part as its type."""
        type_ = triage.OPERATIONS[operation][1]
        return msgspec.json.decode(await self.ask(operation, project, **values), type=type_)

    async def collect(
        self,
        operation: str,
        project: str,
        limit: int | None,
        cursor: str | None,
        *,
        first_only: tuple[str, ...] = (),
        **values: Any,
    ) -> RawPage:
        """Pages joined until ``limit`` items (None: all). Triage cuts a page that would outgrow a message.

        ``first_only`` names values that only the first page takes (an offset).
        """
        items: list[msgspec.Raw] = []
        while True:
            wanted = None if limit is None else limit - len(items)
            raw = await self.ask(operation, project, limit=wanted, cursor=cursor, **values)
            page = msgspec.json.decode(raw, type=RawPage)
            items += page.items
            again = page.next_cursor is not None and page.next_cursor != cursor and page.items
            cursor = page.next_cursor
            values = {name: value for name, value in values.items() if name not in first_only}
            if not again or (limit is not None and len(items) >= limit):
                return RawPage(items=items, total=page.total, next_cursor=cursor)

    async def ping(self) -> None:
        """Raise unless the active triage answers."""
        await self.ask("health", seconds=2.0)

    async def _send(self, operation: str, data: bytes, seconds: float) -> bytes:
        try:
            return await self.bus.request(subjects.triage_call(operation), data, timeout=seconds)
        except NoResponders as why:
            raise unavailable("triage", "Triage is not running; reports are kept and will be read when it is.") from why
        except Unavailable as why:
            raise unavailable("triage", "Triage did not answer in time; try again.") from why
        except BusError as why:
            raise unavailable("triage", f"Triage cannot be asked: {why}") from why


def refused(error: triage.CallError) -> Problem:
    """Triage's refusal as ours; ``changes.status`` is called ``status``, as the caller wrote it."""
    errors = [{"field": item.field.removeprefix("changes."), "reason": item.reason} for item in error.errors]
    if 400 <= error.status < 500:
        return Problem(error.status, error.code, error.detail, errors=errors, retry_after=error.retry_after)
    return unavailable("triage", error.detail, retry_after=error.retry_after or 2.0)
