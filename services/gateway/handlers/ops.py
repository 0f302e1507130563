"""Runners, dead letters, and polling now."""

from typing import Any, Final

import msgspec

from messaging import dead
from messaging.ports import BusError
from schemas.errors import DeadLetter
from schemas.projects import Project
from services.gateway.handlers.config import change_project
from services.gateway.problems import Problem, invalid, not_found
from services.gateway.shapes import house as shapes
from services.gateway.shapes.base import Ok
from services.gateway.shapes.feedback import PollTriggered, PosthogSynced
from services.gateway.source_settings import changed, stored
from services.gateway.table import Call, Route

SCANNED: Final = 5000
SHOWN_CHARACTERS: Final = 4000
POLLED: Final = {"reddit": "subreddits", "github": "repos", "posthog": "poll"}  # and the setting that says what


async def list_runners(call: Call) -> dict[str, Any]:
    """Runners alive, what they can do, how busy they are."""
    found = [entry.value for entry in await call.gateway.runners.items() if entry.value is not None]
    return {"items": sorted(found, key=lambda info: (info.runner, info.instance))}


async def list_dead(call: Call) -> dict[str, Any]:
    """What nobody could process, with the reason, newest first."""
    query: shapes.DeadQuery = call.query
    before = _sequence(query.cursor)
    found = [
        (sequence, letter)
        for sequence, letter in await _all(call)
        if sequence < before and _sees(call, letter) and query.service in (None, letter.service)
    ]
    page = sorted(found, key=lambda pair: pair[0], reverse=True)[: query.limit]
    rest = len(found) > len(page)
    return {
        "items": [_shown(letter) for _, letter in page],
        "next_cursor": str(page[-1][0]) if rest and page else None,
    }


async def _all(call: Call) -> list[tuple[int, DeadLetter]]:
    found: list[tuple[int, DeadLetter]] = []
    after = 0
    while len(found) < SCANNED and (page := await dead.list(call.gateway.bus, after=after)):
        found += page
        after = page[-1][0]
    return found


def _sequence(cursor: str | None) -> int:
    if cursor is None:
        return 2**63
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 19:
        raise invalid("cursor", "is not a cursor of this list")
    return int(cursor)


def _shown(letter: DeadLetter) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(letter)
    return {**values, "data": letter.data[:SHOWN_CHARACTERS], "data_cut": len(letter.data) > SHOWN_CHARACTERS}


def project_in(subject: str) -> str | None:
    """The project a subject belongs to."""
    parts = subject.split(".")
    where = 2 if parts[0] in ("requests", "runners") else 1
    return parts[where] if len(parts) > where else None


def _sees(call: Call, letter: DeadLetter) -> bool:
    return call.principal is None or call.principal.may("operator", project_in(letter.subject))


async def _letter(call: Call) -> str:
    """The id in the path, when the caller may see that letter; Problem 404."""
    wanted = call.path("letter_id")
    if any(letter.id == wanted and _sees(call, letter) for _, letter in await _all(call)):
        return wanted
    raise not_found("Dead letter not found")


async def retry_dead(call: Call) -> dict[str, Any]:
    """Hand the message to its service again."""
    letter_id = await _letter(call)
    try:
        fresh = await dead.retry(call.gateway.bus, letter_id)
    except dead.NotFound as why:
        raise not_found("Dead letter not found") from why
    except BusError as why:
        if "was cut" in str(why):
            raise Problem(409, "cut", str(why)) from why
        raise
    return {"status": "ok", "message_id": fresh}


async def drop_dead(call: Call) -> dict[str, Any]:
    """Forget the message."""
    try:
        await dead.drop(call.gateway.bus, await _letter(call))
    except dead.NotFound as why:
        raise not_found("Dead letter not found") from why
    return {"status": "ok"}


async def trigger_poll(call: Call) -> dict[str, Any]:
    """Ask the collector to poll now: it watches ``poll_requested_at`` in the project's settings."""
    project = await call.gateway.project(call.project_id)
    asked = [source for source in POLLED if _is_polled(project, source)]
    await _ask_poll(call, asked)
    names = ", ".join(asked)
    return {
        "status": "ok" if asked else "skipped",
        "message": f"Polling {names}" if asked else "No polled source is configured in this project",
        "project_id": call.project_id,
    }


def _is_polled(project: Project, source: str) -> bool:
    settings = stored(project, source)
    return bool(settings.get(POLLED[source])) and settings.get("enabled") is not False


async def sync_posthog(call: Call) -> dict[str, Any]:
    """Ask the collector to read PostHog now; the events come in on their own. ``skipped`` when it is not polled."""
    asked = _is_polled(await call.gateway.project(call.project_id), "posthog")
    await _ask_poll(call, ["posthog"] if asked else [])
    return {"status": "ok" if asked else "skipped", "events_synced": 0, "project_id": call.project_id}


async def _ask_poll(call: Call, sources: list[str]) -> None:
    now = call.gateway.clock.now().isoformat()
    for source in sources:
        await change_project(call, lambda held, name=source: changed(held, name, {"poll_requested_at": now}))  # type: ignore[misc]


ROUTES = (
    Route(
        method="GET",
        path="/runners",
        handler=list_runners,
        summary="Runners alive, what they can do, load",
        tag="operations",
        role="viewer",
        project=False,
        answer=shapes.Runners,
        also=(503,),
    ),
    Route(
        method="GET",
        path="/dead-letters",
        handler=list_dead,
        summary="What nobody could process",
        tag="operations",
        role="operator",
        project=False,
        query=shapes.DeadQuery,
        answer=shapes.DeadLetters,
        also=(503,),
    ),
    Route(
        method="POST",
        path="/dead-letters/{letter_id}/retry",
        handler=retry_dead,
        summary="Try a dead letter again",
        tag="operations",
        role="operator",
        project=False,
        answer=Ok,
        also=(404, 409, 503),
    ),
    Route(
        method="DELETE",
        path="/dead-letters/{letter_id}",
        handler=drop_dead,
        summary="Drop a dead letter",
        tag="operations",
        role="operator",
        project=False,
        answer=Ok,
        also=(404, 503),
    ),
    Route(
        method="POST",
        path="/admin/trigger-poll",
        handler=trigger_poll,
        summary="Poll the sources that do not push, now",
        tag="operations",
        role="operator",
        answer=PollTriggered,
    ),
    Route(
        method="POST",
        path="/ingest/posthog/sync",
        handler=sync_posthog,
        summary="Read PostHog now",
        tag="ingest",
        role="ingest",
        answer=PosthogSynced,
    ),
)
