"""Issues of a repository by PyGithub, in threads. Incremental: by the time of the last change, oldest change first.

The first sync reads open issues only; from then on closed and reopened ones come too. Pages are asked for by time, not
by number: an issue that changes meanwhile moves to the end of the list and can't push another one out of sight.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import requests
from github import Auth, Github
from github.GithubException import GithubException, RateLimitExceededException, UnknownObjectException

from services.collector.feeds.base import Limited, Page, Upstream

PAGE: Final = 100
SLACK: Final = timedelta(seconds=60)  # GitHub's clock against ours, at the end of the first sync
_FIRST: Final = "open|"


class GithubFeed:
    """``repo`` is ``owner/name``."""

    def __init__(self, repo: str, *, token: str, api_url: str) -> None:
        self._repo, self._token, self._api_url = repo, token, api_url

    async def pages(self, cursor: str | None) -> AsyncGenerator[Page, None]:
        """Cursor: ``<time>``, or ``open|<when the first sync began>|<time>`` while that goes on."""
        began, since = _read(cursor)
        with Github(
            auth=Auth.Token(self._token) if self._token else None,
            base_url=self._api_url,
            per_page=PAGE,
            retry=None,
            timeout=20,
            seconds_between_requests=None,
        ) as client:
            number = 0
            while True:
                state = "open" if began else "all"
                issues = await asyncio.to_thread(_page, client, self._repo, state, since, number)
                if not issues:
                    break
                last = datetime.fromisoformat(issues[-1]["updated_at"])
                # Issues of one page may share their time of change: then the next page number, else the next time.
                number, since = (number + 1, since) if last == since else (0, last)
                payloads = [self._payload(issue, first=began is not None) for issue in issues]
                yield Page(payloads, f"{_FIRST}{began.isoformat()}|{last.isoformat()}" if began else last.isoformat())
                if len(issues) < PAGE:
                    break
        if began:
            yield Page([], (began - SLACK).isoformat())

    def _payload(self, issue: dict[str, Any], *, first: bool) -> dict[str, Any]:
        action = "sync" if first else "edited"
        return {"action": action, "issue": issue, "repository": {"full_name": self._repo}}


def _read(cursor: str | None) -> tuple[datetime | None, datetime | None]:
    """``(when the first sync began or None, changes since)``."""
    if cursor is None:
        return datetime.now(UTC), None
    if cursor.startswith(_FIRST):
        began, _, since = cursor.removeprefix(_FIRST).partition("|")
        return datetime.fromisoformat(began), datetime.fromisoformat(since)
    return None, datetime.fromisoformat(cursor)


def _page(client: Github, name: str, state: str, since: datetime | None, number: int) -> list[dict[str, Any]]:
    """Raw issues; pull requests are among them, as in GitHub's API."""
    try:
        # The requester, not the issue objects: those ask for each issue again before they show it raw.
        asked = {"state": state, "sort": "updated", "direction": "asc", "per_page": PAGE, "page": number + 1}
        if since is not None:
            asked["since"] = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        _, found = client.requester.requestJsonAndCheck("GET", f"/repos/{name}/issues", parameters=asked)
        if not isinstance(found, list):
            raise Upstream("GitHub's answer is no list of issues")
        return [{**issue, "updated_at": issue["updated_at"]} for issue in found]
    except RateLimitExceededException as error:
        raise Limited("GitHub's rate limit is used up", _wait(error)) from error
    except UnknownObjectException as error:
        raise Upstream(f"{name} does not exist, or GITHUB_TOKEN may not see it") from error
    except GithubException as error:
        headers = {key.lower(): value for key, value in (error.headers or {}).items()}
        if error.status in (403, 429) and ("retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"):
            raise Limited("GitHub asks to wait", _wait(error)) from error
        advice = "GITHUB_TOKEN is wrong or may not read issues" if error.status in (401, 403) else "tried again later"
        raise Upstream(f"GitHub answered {error.status}: {advice}") from error
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise Upstream(f"GitHub did not answer as documented: {type(error).__name__}") from error


def _wait(error: GithubException) -> float:
    headers = {key.lower(): value for key, value in (error.headers or {}).items()}
    try:
        if "retry-after" in headers:
            return float(headers["retry-after"])
        return float(headers["x-ratelimit-reset"]) - time.time()
    except (KeyError, ValueError):
        return 60.0
