"""Exceptions and chosen events of a PostHog project by its events API."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import aiohttp
from yarl import URL

from services.collector.feeds.base import Page, Upstream
from services.collector.feeds.http import get
from services.collector.settings import Settings

MOST_PAGES: Final = 200
FIRST_PAGES: Final = 1  # a new project begins with the newest events, not with all of history
OVERLAP: Final = timedelta(minutes=10)  # events reach PostHog late, with the time at which they happened


_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)


class PosthogFeed:
    """Cursor: time stamp of the newest event read, never later than now."""

    def __init__(self, project: str, session: aiohttp.ClientSession, settings: Settings, events: list[str]) -> None:
        self._project, self._session, self._settings = project, session, settings
        self._events = events or ["$exception"]

    async def pages(self, cursor: str | None) -> AsyncGenerator[Page, None]:
        """Read back to the cursor and a little further, then hand out oldest first."""
        since = moment(cursor)
        found: list[dict[str, Any]] = []
        for name in self._events:
            found += await self._read(name, (since - OVERLAP).isoformat() if since else None)
        found.sort(key=lambda event: (moment(event.get("timestamp")) or _LONG_AGO, str(event.get("uuid"))))
        # A device with a wrong clock must not move the cursor into the future: all that comes until then would be lost.
        now = datetime.now(UTC)
        times = [min(at, now) for event in found if (at := moment(event.get("timestamp")))]
        if found:
            yield Page(found, max([*times, since or _LONG_AGO]).isoformat())

    async def _read(self, name: str, cursor: str | None) -> list[dict[str, Any]]:
        base = URL(self._settings.posthog_url)
        query = {"event": name, "limit": "100", **({"after": cursor} if cursor else {})}
        url: URL | None = (base / "api/projects" / self._project / "events/").with_query(query)
        headers = {"Authorization": f"Bearer {self._settings.posthog_api_key}"}
        found: list[dict[str, Any]] = []
        for _ in range(MOST_PAGES if cursor else FIRST_PAGES):
            if url is None:
                return found
            answer, _told = await get(self._session, str(url), headers=headers)
            results = answer.get("results") if isinstance(answer, dict) else None
            if not isinstance(results, list):
                raise Upstream("PostHog's answer holds no results")
            found += [event for event in results if isinstance(event, dict)]
            url = _next(base, answer.get("next"))
        if url is not None and cursor:
            raise Upstream("PostHog holds more events than one poll may read: choose fewer event types")
        return found


def _next(base: URL, following: Any) -> URL | None:
    """The next page, only when it is at the same place: our key goes with it."""
    if not isinstance(following, str) or not following:
        return None
    url = URL(following)
    if url.origin() != base.origin():
        raise Upstream("PostHog's next page is at another host; not followed")
    return url


def moment(value: Any) -> datetime | None:
    """PostHog's ISO 8601 time stamp; None when it is none."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if found is None:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
