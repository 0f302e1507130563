"""Pure rules: which feeds a project wants, when each is due, how long to wait after trouble."""

import re
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from runtime.ids import derived
from schemas.collector import PollState
from schemas.projects import Project
from schemas.subjects import key

LONGEST_SECONDS: Final = 3600.0
_REPO: Final = re.compile(r"^(?:https?://github\.com/)?([A-Za-z0-9][\w-]{0,38}/[\w.-]{1,100}?)(?:\.git)?/?$", re.ASCII)
_SUBREDDIT: Final = re.compile(r"^(?:/?r/)?([A-Za-z0-9_]{2,30})$", re.ASCII)


class FeedKey(msgspec.Struct, frozen=True):
    """One thing to poll: a repository, a subreddit, a PostHog project."""

    project_id: str
    source: str
    name: str

    @property
    def key(self) -> str:
        """Its key in the bucket."""
        return key(self.project_id, self.source, derived("feed", self.name))


class Wanted(msgspec.Struct, frozen=True):
    """A feed with the project's settings of its source; ``requested_at``: a person asked to poll now."""

    feed: FeedKey
    settings: dict[str, Any]
    requested_at: datetime | None


def wanted(project: Project, posthog_project: str) -> list[Wanted]:
    """The feeds of a project. A source switched off has none; names that cannot be names are left out."""
    found: list[Wanted] = []
    for source, names in (
        ("github", _names(project, "github", "repos", _REPO)),
        ("reddit", _names(project, "reddit", "subreddits", _SUBREDDIT)),
        ("posthog", [posthog_project] if posthog_project and _settings(project, "posthog").get("poll") is True else []),
    ):
        settings = _settings(project, source)
        if settings.get("enabled") is False:
            continue
        asked = _moment(settings.get("poll_requested_at"))
        found += [Wanted(FeedKey(project.id, source, name), settings, asked) for name in names]
    return found


def _settings(project: Project, source: str) -> dict[str, Any]:
    held = project.settings.get(source)
    return {k: v for k, v in held.items() if k != "sealed"} if isinstance(held, dict) else {}


def _names(project: Project, source: str, setting: str, pattern: re.Pattern[str]) -> list[str]:
    held = _settings(project, source).get(setting)
    texts = [text.strip() for text in held if isinstance(text, str)] if isinstance(held, list) else []
    return list(dict.fromkeys(match[1].lower() for text in texts if (match := pattern.match(text))))


def _moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def due(state: PollState | None, requested_at: datetime | None, now: datetime) -> bool:
    """Whether to poll now. A request jumps the schedule and the back-off, but not a limit that the source told us."""
    if state is None:
        return True
    if state.claimed_until is not None and state.claimed_until > now:
        return False
    if state.limited_until is not None and state.limited_until > now:
        return False
    if requested_at is not None and (state.started_at is None or state.started_at < requested_at):
        return True
    return state.next_at is None or state.next_at <= now


def claimed(state: PollState | None, feed: FeedKey, instance: str, now: datetime, seconds: float) -> PollState:
    """The state while ``instance`` polls; it is another's turn when the claim is not renewed within ``seconds``."""
    before = state or PollState(project_id=feed.project_id, source=feed.source, name=feed.name)
    until = now + timedelta(seconds=seconds)
    return msgspec.structs.replace(
        before, claimed_by=instance, claimed_until=until, started_at=now, last_reports=0
    )  # fmt: skip


def renewed(state: PollState | None, instance: str, now: datetime, seconds: float) -> PollState | None:
    """The claim for another while; None when it is no longer ours."""
    if state is None or state.claimed_by != instance:
        return None
    return msgspec.structs.replace(state, claimed_until=now + timedelta(seconds=seconds))


def read_on(state: PollState, cursor: str, published: int) -> PollState:
    """The state after a page is stored: a crash from here on repeats nothing before it."""
    return msgspec.structs.replace(
        state,
        cursor=cursor,
        reports=state.reports + published,
        last_reports=state.last_reports + published,
    )


def finished(state: PollState, now: datetime, interval: float) -> PollState:
    """The state after a good poll."""
    return msgspec.structs.replace(
        state, polls=state.polls + 1, failures=0, last_error=None, finished_at=now, limited_until=None,
        next_at=now + timedelta(seconds=interval), claimed_by=None, claimed_until=None,
    )  # fmt: skip


def failed(state: PollState, reason: str, now: datetime, interval: float, wait: float | None = None) -> PollState:
    """The state after trouble: twice as long each time up to an hour; ``wait``: the seconds the source told us."""
    failures = state.failures + 1
    pause = min(LONGEST_SECONDS, interval * 2.0 ** min(failures - 1, 10))
    limited = now + timedelta(seconds=wait) if wait is not None else None
    next_at = max(limited, now + timedelta(seconds=interval)) if limited else now + timedelta(seconds=pause)
    return msgspec.structs.replace(
        state, polls=state.polls + 1, failures=failures, last_error=reason[:500], finished_at=now,
        limited_until=limited, next_at=next_at, claimed_by=None, claimed_until=None,
    )  # fmt: skip
