"""Feedback typed by a person: ``{text, title?, github_repo_url?, external_id?}``.

The gateway sets ``external_id`` (from the Idempotency-Key, else a new id), so that a repeated POST is one report and
two people typing the same words are two.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.feedback import FeedbackItem
from sources.base import Settings
from sources.errors import Malformed
from sources.reading import Node
from sources.shape import digest, item, one_line, repository_in, repository_url
from sources.signing import admit, require_secret
from sources.traces import parse_trace


def verify(headers: Mapping[str, str], body: bytes, settings: Settings) -> None:
    """The gateway's own authentication is enough; a secret is asked for only when the project has set one."""
    require_secret(headers, settings, "X-Soulcaster-Secret")


def normalise(payload: Any, *, project_id: str, received_at: datetime, settings: Settings) -> list[FeedbackItem]:
    """One report. An empty ``text`` and a repository that is no GitHub repository are Malformed."""
    admit(settings, "manual")
    root = Node(payload).as_object()
    text = _strict(root, "text")
    if not text.strip():
        raise Malformed("text", "must not be empty")
    title, given_repo = _strict(root, "title"), _strict(root, "github_repo_url")
    repo = repository_in(given_repo)
    if given_repo.strip() and repo is None and "://" not in given_repo and not given_repo.startswith("/"):
        raise Malformed("github_repo_url", "expected an address such as https://github.com/owner/name")
    exception_type, frames = parse_trace(text)
    fallback = digest([text, title, received_at.isoformat()])
    found = item(
        project_id,
        "manual",
        root.text("external_id", limit=1000) or fallback,
        received_at,
        title=title.strip() or one_line(text.strip().split("\n")[0], 80),
        body=text,
        raw_text=text,
        repo=repo or repository_in(text),
        github_repo_url=given_repo.strip()[:500] or repository_url(repository_in(text)),
        exception_type=exception_type,
        frames=frames,
        stacktrace=text if frames else None,
        metadata=root.obj("metadata").value,
        user=root.text("user", limit=300),
        trust="authenticated",
    )
    return [found]


def _strict(root: Node, key: str) -> str:
    """A text that must really be a text: a person typed it, so a number or list is a mistake of the caller."""
    value = root.value.get(key)
    if value is not None and not isinstance(value, str):
        raise Malformed(key, "must be a text")
    return root.text(key) if value else ""
