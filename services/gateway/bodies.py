"""Request bodies off the wire: bounded in size and in time, whole or refused."""

import asyncio
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from services.gateway.problems import Problem

BODY_SECONDS: Final = 30.0  # for the whole body; senders of webhooks give up sooner than that


async def read_body(request: web.Request, limit: int, seconds: float = BODY_SECONDS) -> bytes:
    """The raw body, after any ``Content-Encoding``.

    Problem 413 as soon as more than ``limit`` bytes have come, 408 when it is not whole after ``seconds``, 400 when it
    is not encoded as it says.
    """
    if request.content_length is not None and request.content_length > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            return await _read(request, limit)
    except TimeoutError:
        raise Problem(
            408,
            "too_slow",
            f"The body was not whole after {seconds:g} seconds; nothing was stored.",
            headers={"Connection": "close"},
        ) from None
    except RequestPayloadError as why:
        reason = " ".join(str(why).split())[:200]
        raise Problem(400, "bad_body", f"The body cannot be read: {reason}", headers={"Connection": "close"}) from why


async def _read(request: web.Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        parts.append(chunk)
    return b"".join(parts)


def _too_large(limit: int) -> Problem:
    return Problem(413, "too_large", f"The body is larger than {limit // 1024} KiB.")


def refuse_form(request: web.Request) -> None:
    """For a body that is no JSON: Problem 415 when it is a form, which is a choice in many senders' settings."""
    if request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        raise Problem(
            415,
            "form",
            f"The body is a form ({request.content_type}); choose the content type application/json at the sender.",
        )
