"""The few calls to GitHub's REST API that the gateway makes itself, with the caller's token."""

import re
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec

from services.gateway.problems import Problem

ISSUE: Final = re.compile(r"github\.com/([A-Za-z0-9_.-]+)/([A-Za-z0-9_.-]+)/issues/(\d{1,10})")
REPOSITORY: Final = re.compile(r"github\.com[/:]([A-Za-z0-9_.-]+)/([A-Za-z0-9_.-]+?)(?:\.git)?/?$")
FULL_NAME: Final = re.compile(
    r"(?:https?://github\.com/)?([A-Za-z0-9][\w-]{0,38}/[\w.-]{1,100}?)(?:\.git)?/?", re.ASCII
)
NAME: Final = re.compile(r"^[A-Za-z0-9_.-]{1,100}\Z")
ANSWER_LIMIT: Final = 16 * 1024 * 1024


class Refused(Exception):
    """GitHub answered with an error status, or not at all (status 0)."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@dataclass(frozen=True, slots=True)
class Github:
    """``api`` without a trailing slash; ``token`` may be empty."""

    session: aiohttp.ClientSession
    api: str
    token: str

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """The decoded JSON answer; raises Refused. Redirects are not followed: they could take the token elsewhere."""
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            async with self.session.request(
                method, f"{self.api.rstrip('/')}{path}", headers=headers, allow_redirects=False, **options
            ) as answer:
                data = await answer.content.read(ANSWER_LIMIT)
                if answer.status >= 300:
                    raise Refused(answer.status, _reason(data, answer.status))
                return msgspec.json.decode(data)
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as why:
            raise Refused(0, f"GitHub did not answer: {type(why).__name__}") from why


def _reason(data: bytes, status: int) -> str:
    try:
        message = msgspec.json.decode(data).get("message", "")
    except (msgspec.DecodeError, AttributeError):
        message = ""
    return f"GitHub answered {status}{': ' + str(message)[:300] if message else ''}"


def full_name(text: str) -> str | None:
    """``owner/name`` of a repository that is named so or by its address; None when it is neither."""
    found = FULL_NAME.fullmatch(text.strip())
    return found[1] if found and found[1].partition("/")[2].strip(".") else None


def names(owner: str, repo: str) -> tuple[str, str]:
    """Owner and repository when they can be parts of an address; Problem 400."""
    if not NAME.match(owner) or not NAME.match(repo) or owner.strip(".") == "" or repo.strip(".") == "":
        raise Problem(400, "bad_repository", "owner and repo must be names as on GitHub")
    return owner, repo
