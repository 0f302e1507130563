"""New posts of a subreddit: with a token of the installation's app, else the public listing."""

from collections.abc import AsyncGenerator
from typing import Any, Final

import aiohttp

from services.collector.feeds.base import Limited, Page, Upstream
from services.collector.feeds.http import get, post, remaining
from services.collector.settings import Settings

LISTING: Final = 100
MOST_PAGES: Final = 10  # Reddit's listings end after 1,000 posts
OVERLAP_SECONDS: Final = 300.0  # posts that were held back by a filter appear late, with their old time


class RedditFeed:
    """Cursor: time of the newest post, in seconds since the epoch."""

    def __init__(self, subreddit: str, session: aiohttp.ClientSession, settings: Settings) -> None:
        self._subreddit, self._session, self._settings = subreddit, session, settings

    async def pages(self, cursor: str | None) -> AsyncGenerator[Page, None]:
        """Read back to the cursor, then hand out oldest first."""
        since = float(cursor) - OVERLAP_SECONDS if cursor else 0.0
        base, headers, suffix = await self._way_in()
        found: list[dict[str, Any]] = []
        after = ""
        for _ in range(1 if cursor is None else MOST_PAGES):
            query = {"limit": str(LISTING), "raw_json": "1", **({"after": after} if after else {})}
            url = f"{base}/r/{self._subreddit}/new{suffix}"
            answer, told = await get(self._session, url, params=query, headers=headers)
            posts, after = _listing(answer)
            found += [post for post in posts if _created(post) > since]
            if not after or any(_created(post) <= since for post in posts):
                break
            left, reset = remaining(told)
            if left < 1:
                raise Limited("Reddit's rate limit is used up", reset)
        found.reverse()
        newest = max([float(cursor or 0), *map(_created, found)])
        if found:
            yield Page(found, repr(newest))

    async def _way_in(self) -> tuple[str, dict[str, str], str]:
        agent = {"User-Agent": self._settings.reddit_user_agent}
        if not self._settings.reddit_client_id:
            return self._settings.reddit_public_url, agent, ".json"
        auth = aiohttp.encode_basic_auth(self._settings.reddit_client_id, self._settings.reddit_client_secret)
        url = f"{self._settings.reddit_auth_url}/api/v1/access_token"
        form = {"grant_type": "client_credentials"}
        answer = await post(self._session, url, data=form, headers={**agent, "Authorization": auth})
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise Upstream("Reddit gave no token: check REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET")
        return self._settings.reddit_api_url, {**agent, "Authorization": f"Bearer {token}"}, ""


def _listing(answer: Any) -> tuple[list[dict[str, Any]], str]:
    data = answer.get("data") if isinstance(answer, dict) else None
    children = data.get("children") if isinstance(data, dict) else None
    if not isinstance(children, list) or not isinstance(data, dict):
        raise Upstream("Reddit's answer is no listing")
    return [child for child in children if isinstance(child, dict)], str(data.get("after") or "")


def _created(post_: dict[str, Any]) -> float:
    data = post_.get("data")
    value = data.get("created_utc") if isinstance(data, dict) else None
    return float(value) if isinstance(value, int | float) else 0.0
