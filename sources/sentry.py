"""Sentry integration webhooks: issue, event_alert, error, and the older webhook plugin's shape.

Shapes: https://docs.sentry.io/organization/integrations/integration-platform/webhooks/ . Signature: header
``Sentry-Hook-Signature`` = hex HMAC-SHA256 of the raw body with the integration's client secret. Filters:
``environments`` and ``levels`` (unset or empty: all). The fingerprint is Sentry's issue id, so events of one issue
start in one cluster.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from schemas.feedback import FeedbackItem, Frame
from sources.base import Settings
from sources.errors import Filtered, Malformed, Unauthorized
from sources.reading import Node, pairs
from sources.shape import item, repository_in
from sources.signing import admit, allowed, header, hex_digests, matches, secrets_of
from sources.traces import parse_trace, write_frames

_REPORTS: Final = {"", "created", "triggered", "unresolved", "resolved", "archived", "ignored"}
_CLOSED: Final = {"resolved", "archived", "ignored"}


def verify(headers: Mapping[str, str], body: bytes, settings: Settings) -> None:
    """Check ``Sentry-Hook-Signature``; without a client secret set for the project every delivery passes."""
    secrets = secrets_of(settings)
    if not secrets:
        return
    given = header(headers, "Sentry-Hook-Signature")
    if not given:
        raise Unauthorized("missing Sentry-Hook-Signature: is the webhook sent by a Sentry internal integration?")
    if not matches(given.strip().lower(), hex_digests(body, secrets)):
        raise Unauthorized("Sentry-Hook-Signature does not match the client secret set for this project")


def normalise(payload: Any, *, project_id: str, received_at: datetime, settings: Settings) -> list[FeedbackItem]:
    """One report; other resources (installation, comment, metric alert) are Filtered."""
    admit(settings, "sentry")
    root = Node(payload).as_object()
    action = root.text("action", limit=50).lower()
    if action not in _REPORTS:
        raise Filtered(f"Sentry action {action!r} brings no new report")
    data = root.obj("data")
    event = _event(root, data)
    issue = data.obj("issue") if data.has("issue") else root.obj("issue")
    if not event and not issue:
        raise _nothing(data)
    tags = {**dict(pairs(Node(issue.value.get("tags")))), **dict(pairs(Node(event.value.get("tags"))))}
    level = (event.text("level", limit=50) or issue.text("level", limit=50) or root.text("level", limit=50)).lower()
    level = level or tags.get("level", "error").lower()
    environment = event.text("environment", limit=200) or tags.get("environment", "")
    _filter(settings, level, environment)
    fields = _identity(root, event, issue, action, received_at) | _what(root, event, issue)
    fields |= {"level": level, "environment": environment, "user": _user(event, tags)}
    fields["release"] = event.text("release", limit=300) or tags.get("release", "")
    fields["repo"] = repository_in(fields["body"], tags.get("repository", ""), tags.get("repo", ""))
    fields["metadata"] |= {"tags": tags, "action": action or None, "level": level, "environment": environment}
    fields["metadata"]["release"] = fields["release"]
    return [item(project_id, "sentry", received_at=received_at, **fields)]


def _event(root: Node, data: Node) -> Node:
    for holder, key in ((data, "event"), (data, "error"), (root, "event")):
        if holder.has(key):
            return holder.obj(key)
    looks_like_one = root.has("event_id") or root.has("exception") or root.has("message")
    return root if looks_like_one else Node({}, "data.event")


def _nothing(data: Node) -> Exception:
    for other in ("metric_alert", "comment", "installation", "seer"):
        if data.has(other):
            return Filtered(f"a Sentry {other} brings no report")
    return Malformed("data", "expected an issue, event or error as Sentry's documentation shows them")


def _filter(settings: Settings, level: str, environment: str) -> None:
    levels = allowed(settings, "levels", empty_means_all=True)
    if levels is not None and level not in {entry.lower() for entry in levels}:
        raise Filtered(f"level {level!r} is not among the project's Sentry levels")
    environments = allowed(settings, "environments", empty_means_all=True)
    if environments is not None and environment not in environments:
        raise Filtered(f"environment {environment or '(none)'!r} is not among the project's Sentry environments")


def _identity(root: Node, event: Node, issue: Node, action: str, received_at: datetime) -> dict[str, Any]:
    issue_id = issue.text("id", limit=200) or event.text("issue_id", "groupID", limit=200)
    if not issue_id and issue and root.has("id"):
        issue_id = root.text("id", limit=200)
    short = issue.text("shortId", "short_id", limit=200)
    event_id = event.text("event_id", "eventID", "id", limit=200)
    external = short or event_id or issue_id
    if not external:
        raise Malformed("data", "neither an issue id nor an event_id")
    seen = event.moment("datetime", "dateCreated", "timestamp", "received")
    return {
        "external_id": external,
        "fingerprint": issue_id or short or None,
        "created_at": seen or issue.moment("lastSeen", "firstSeen") or received_at,
        "status": "closed" if action in _CLOSED else "open",
        "event": "updated" if action in {*_CLOSED, "unresolved"} else "created",
    }


def _what(root: Node, event: Node, issue: Node) -> dict[str, Any]:
    chain = _chain(event)
    last = chain[-1] if chain else Node({}, "exception")
    hints = issue.obj("metadata")
    type_ = last.text("type", limit=300) or hints.text("type", limit=300)
    value = last.text("value", limit=4000) or hints.text("value", limit=4000)
    said = _message(event) or root.text("message", limit=4000)
    heading = f"{type_}: {value}" if type_ and value else type_ or value
    title = event.text("title", limit=1000) or issue.text("title", limit=1000) or said or heading or "Sentry issue"
    within = [_frames(entry) for entry in chain]
    frames = [frame for entry in reversed(within) for frame in entry]
    trace = _trace(chain, within)
    culprit = event.text("culprit", "location", limit=500) or issue.text("culprit", limit=500)
    if not frames and said:
        type_from_text, frames = parse_trace(said)
        type_, trace = type_ or type_from_text or "", said if frames else ""
    body = [heading, said if said not in (heading, title) else "", f"Culprit: {culprit}" if culprit else "", trace]
    url = event.text("web_url", limit=1000) or issue.text("web_url", "permalink", "url", limit=1000)
    url = url or root.text("url", limit=1000)
    return {
        "title": title,
        "body": "\n".join(part for part in body if part),
        "raw_text": said or heading,
        "frames": frames,
        "stacktrace": trace or None,
        "exception_type": type_ or None,
        "metadata": {
            "issue_id": issue.text("id", limit=200) or event.text("issue_id", limit=200),
            "event_id": event.text("event_id", "eventID", limit=200),
            "short_id": issue.text("shortId", "short_id", limit=200),
            "platform": event.text("platform", limit=100) or issue.text("platform", limit=100),
            "culprit": culprit,
            "url": url,
            "event_count": issue.number("count"),
            "user_count": issue.number("userCount"),
            "transaction": event.text("transaction", limit=500),
        },
    }


def _message(event: Node) -> str:
    if isinstance(event.value.get("message"), dict):  # the message interface: {"formatted": ..., "message": ...}
        return event.obj("message").text("formatted", "message", limit=4000)
    entry = event.obj("logentry") if isinstance(event.value.get("logentry"), dict) else Node({})
    return event.text("message", limit=4000) or entry.text("formatted", "message", limit=4000)


def _chain(event: Node) -> list[Node]:
    """The chained exceptions in Sentry's order: the root cause first, the one that was raised last at the end."""
    holder = event.value.get("exception")
    if isinstance(holder, list):
        return [node.as_object() for node in event.items("exception", 50) if node.value is not None]
    values = event.obj("exception").items("values", 50)
    if not values:
        for entry in event.items("entries", 50):
            if isinstance(entry.value, dict) and entry.value.get("type") == "exception":
                values = entry.obj("data").items("values", 50)
                break
    return [node.as_object() for node in values if node.value is not None]


def _frames(exception: Node) -> list[Frame]:
    nodes = exception.obj("stacktrace").items("frames", 500)
    return [_frame(node.as_object()) for node in nodes if node.value is not None][-100:]


def _frame(node: Node) -> Frame:
    return Frame(
        file=node.text("filename", "abs_path", "absPath", "package", limit=300),
        function=node.text("function", limit=200),
        line=node.number("lineno") if node.has("lineno") else node.number("lineNo"),
        module=node.text("module", limit=200),
        in_app=node.flag("in_app") if node.has("in_app") else node.flag("inApp"),
        code=node.text("context_line", limit=200),
    )


def _trace(chain: list[Node], within: list[list[Frame]]) -> str:
    parts = []
    for exception, frames in zip(chain, within, strict=True):
        if frames:
            name = f"{exception.text('type', limit=300)}: {exception.text('value', limit=2000)}".strip(": ")
            parts.append(f"Stacktrace:\n{write_frames(frames)}\n{name}")
    return "\n\n".join(parts)


def _user(event: Node, tags: dict[str, str]) -> str:
    if isinstance(event.value.get("user"), dict):
        found = event.obj("user").text("id", "email", "username", "ip_address", limit=300)
        if found:
            return found
    return tags.get("user", "")
