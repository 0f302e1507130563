"""JSON over HTTP with the sources' rate limits honoured."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
import msgspec

from services.collector.feeds.base import Limited, Upstream

ANSWER_LIMIT: Final = 32 * 1024 * 1024


async def get(session: aiohttp.ClientSession, url: str, **options: Any) -> tuple[Any, Mapping[str, str]]:
    """The decoded answer and its headers; raises Limited and Upstream."""
    return await _call(session, "GET", url, **options)


async def post(session: aiohttp.ClientSession, url: str, **options: Any) -> Any:
    """The decoded answer; raises Limited and Upstream."""
    return (await _call(session, "POST", url, **options))[0]


async def _call(session: aiohttp.ClientSession, method: str, url: str, **options: Any) -> tuple[Any, Mapping[str, str]]:
    try:
        async with session.request(method, url, allow_redirects=False, **options) as answer:
            host = answer.url.host
            if answer.status == 429:
                raise Limited(f"{host} asks to wait", told_wait(answer.headers, datetime.now(UTC)))
            if answer.status >= 300:
                raise Upstream(f"{host} answered {answer.status}: {_advice(answer.status)}")
            data = await answer.content.read(ANSWER_LIMIT)
            return msgspec.json.decode(data), answer.headers
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Upstream(f"no answer: {type(error).__name__}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise Upstream("the answer is not JSON") from error


def _advice(status: int) -> str:
    if status in (401, 403):
        return "the credentials are missing, wrong or may not read this"
    if status == 404:
        return "it does not exist, or the credentials may not see it"
    return "it will be tried again"


def told_wait(headers: Mapping[str, str], now: datetime, default: float = 60.0) -> float:
    """Seconds that a source asks for: ``Retry-After`` as seconds or as a date (RFC 9110), Reddit's reset, or 60."""
    for name in ("Retry-After", "X-Ratelimit-Reset"):
        value = headers.get(name, "")
        try:
            return float(value)
        except ValueError:
            pass
        try:
            return (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError):  # neither; or a date without a zone
            continue
    return default


def remaining(headers: Mapping[str, str]) -> tuple[float, float]:
    """Reddit's ``(requests left, seconds until more)``; many and none when it does not say."""
    try:
        return float(headers["X-Ratelimit-Remaining"]), float(headers.get("X-Ratelimit-Reset", "60"))
    except (KeyError, ValueError):
        return 1e9, 0.0
