"""Reddit posts: a listing's ``{kind: "t3", data}`` as the collector gets it, or a feedback item posted by a poller.

The report's id is the post's fullname without its prefix, so a post that comes by both ways is one report.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.feedback import FeedbackItem
from sources.base import Settings
from sources.errors import Filtered, Malformed
from sources.reading import Node
from sources.shape import item, repository_in
from sources.signing import admit, require_secret
from sources.traces import parse_trace


def verify(headers: Mapping[str, str], body: bytes, settings: Settings) -> None:
    """The gateway's own authentication is enough; a secret is asked for only when the project has set one."""
    require_secret(headers, settings, "X-Soulcaster-Secret")


def normalise(payload: Any, *, project_id: str, received_at: datetime, settings: Settings) -> list[FeedbackItem]:
    """One report; comments, removed posts and other kinds are Filtered."""
    admit(settings, "reddit")
    root = Node(payload).as_object()
    if root.has("kind") and root.has("data"):
        return [_post(root, project_id, received_at)]
    return [_given(root, project_id, received_at)]


def _post(root: Node, project_id: str, received_at: datetime) -> FeedbackItem:
    if root.text("kind", limit=20) != "t3":
        raise Filtered("only posts (t3) are reports")
    data = root.obj("data")
    text, title = data.text("selftext"), data.text("title", limit=1000)
    if text in ("[removed]", "[deleted]") or data.has("removed_by_category"):
        raise Filtered("the post was removed")
    post_id = data.text("id", limit=100) or data.text("name", limit=100).removeprefix("t3_")
    if not post_id:
        raise Malformed("data.id", "the post has no id")
    link = data.text("permalink", limit=1000)
    return _build(
        project_id,
        received_at,
        post_id,
        title=title,
        body=text or title or data.text("url", limit=1000),
        created_at=data.moment("created_utc"),
        user=data.text("author", limit=200),
        metadata={
            "subreddit": data.text("subreddit", limit=100),
            "permalink": link,
            "url": f"https://www.reddit.com{link}" if link.startswith("/") else link or data.text("url", limit=1000),
            "score": data.number("score"),
            "num_comments": data.number("num_comments"),
        },
    )


def _given(root: Node, project_id: str, received_at: datetime) -> FeedbackItem:
    title, body = root.text("title", limit=1000), root.text("body")
    if not title and not body:
        raise Malformed("title", "neither title nor body")
    external = root.text("external_id", "id", limit=300).removeprefix("t3_")
    if not external:
        raise Malformed("external_id", "the post's id is missing")
    status = root.text("status", limit=20) or "open"
    if status not in ("open", "closed"):
        raise Malformed("status", "must be open or closed")
    return _build(
        project_id,
        received_at,
        external,
        title=title or body,
        body=body or title,
        raw_text=root.text("raw_text"),
        created_at=root.moment("created_at"),
        status=status,
        metadata=root.obj("metadata").value,
    )


def _build(project_id: str, received_at: datetime, external_id: str, **fields: Any) -> FeedbackItem:
    body = fields["body"]
    exception_type, frames = parse_trace(body)
    fields = {"raw_text": body, **fields, "exception_type": exception_type, "frames": frames}
    fields["raw_text"] = fields["raw_text"] or body
    fields["stacktrace"] = body if frames else None
    fields["repo"] = repository_in(body)
    return item(project_id, "reddit", external_id, received_at, **fields)
