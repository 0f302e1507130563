"""Datadog webhooks: any JSON template with the documented variables, in any of their usual key names.

Variables: https://docs.datadoghq.com/integrations/webhooks/ . Datadog does not sign: the proof is a secret custom
header (``X-Soulcaster-Secret`` or ``X-Datadog-Secret``); ``X-Datadog-Signature`` (hex HMAC-SHA256 of the body, from a
relay) is taken too. ``$DATE`` and ``$LAST_UPDATED`` are milliseconds. Filter ``monitors``: unset or ``*`` all, empty
none; an entry may be the monitor's id (``$ALERT_ID``), its name, the title, or a tag such as ``monitor:checkout``.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from schemas.feedback import FeedbackItem
from sources.base import Settings
from sources.errors import Filtered, Malformed, Unauthorized
from sources.reading import Node, pairs
from sources.shape import digest, item, repository_in
from sources.signing import admit, allowed, header, hex_digests, matches, require_secret, secrets_of
from sources.traces import parse_trace

_ALIASES: Final = {
    "id": ("id", "event_id"),
    "date": ("date", "event_date", "timestamp"),
    "last_updated": ("last_updated", "updated"),
    "title": ("title", "event_title", "alert_title", "event_name"),
    "body": ("body", "text_only_msg", "event_msg", "message", "msg", "text"),
    "monitor": ("alert_id", "monitor_id"),
    "name": ("monitor_name", "alert_name", "monitor"),
    "transition": ("alert_transition", "transition"),
    "level": ("alert_type",),
    "link": ("link", "url", "event_url"),
}
_RECOVERED: Final = {"recovered", "warn recovered", "no data recovered"}


def verify(headers: Mapping[str, str], body: bytes, settings: Settings) -> None:
    """A signature or a secret header, when the project has set a secret."""
    given = header(headers, "X-Datadog-Signature")
    secrets = secrets_of(settings)
    if given and secrets:
        if not matches(given.strip().lower().removeprefix("sha256="), hex_digests(body, secrets)):
            raise Unauthorized("X-Datadog-Signature does not match the secret set for this project")
        return
    require_secret(headers, settings, "X-Soulcaster-Secret", "X-Datadog-Secret")


def normalise(payload: Any, *, project_id: str, received_at: datetime, settings: Settings) -> list[FeedbackItem]:
    """One report; a recovery is Filtered. Repeats of an alert within the hour are one report."""
    admit(settings, "datadog")
    root = _lowered(Node(payload).as_object())
    title, body = root.text(*_ALIASES["title"], limit=1000), root.text(*_ALIASES["body"])
    if not title and not body:
        raise Malformed("title", "neither title nor body: use the webhook template of the documentation")
    tags = _tags(root)
    _filter(settings, root, tags)
    event_id = root.text(*_ALIASES["id"], limit=200)
    created = root.moment(*_ALIASES["date"], *_ALIASES["last_updated"])
    hour = int(created.timestamp()) // 3600 if created else None
    external = f"{event_id}-{hour}" if event_id and hour else event_id or digest(payload)
    exception_type, frames = parse_trace(body)
    found = item(
        project_id,
        "datadog",
        external,
        received_at,
        title=title or body,
        body=body,
        raw_text=body,
        created_at=created,
        fingerprint=root.text(*_ALIASES["monitor"], limit=200) or root.text("aggreg_key", limit=200),
        level=root.text(*_ALIASES["level"], limit=50).lower(),
        environment=tags.get("env", ""),
        release=tags.get("version", ""),
        repo=repository_in(tags.get("git.repository_url", ""), body),
        exception_type=exception_type or tags.get("error.type", ""),
        frames=frames,
        stacktrace=body if frames else None,
        metadata=_metadata(root, tags),
    )
    return [found]


def _lowered(root: Node) -> Node:
    """Keys in lower case without ``$``; variables that Datadog left unfilled (``$SNAPSHOT``) count as missing."""
    kept = {}
    for key, value in root.value.items():
        unfilled = isinstance(value, str) and value.startswith("$") and value[1:].replace("_", "").isupper()
        if not unfilled:
            kept[key.lower().lstrip("$")] = value
    return Node(kept)


def _tags(root: Node) -> dict[str, str]:
    value = root.value.get("tags")
    entries = value.split(",") if isinstance(value, str) else value
    if isinstance(entries, list):
        entries = [entry.strip() if isinstance(entry, str) else entry for entry in entries]
    return dict(pairs(Node(entries)))


def _filter(settings: Settings, root: Node, tags: dict[str, str]) -> None:
    if root.text(*_ALIASES["transition"], limit=50).lower() in _RECOVERED:
        raise Filtered("the monitor recovered: nothing to report")
    monitors = allowed(settings, "monitors", empty_means_all=False)
    if monitors is None:
        return
    names = {root.text(*_ALIASES[key], limit=1000) for key in ("monitor", "name", "title", "id")}
    names |= {tags.get("monitor", ""), *(f"{key}:{value}" for key, value in tags.items())}
    if not names & {entry for entry in monitors if entry}:
        raise Filtered("this monitor is not among the project's Datadog monitors")


def _metadata(root: Node, tags: dict[str, str]) -> dict[str, Any]:
    org = root.value.get("org")
    org_id = root.obj("org").text("id", limit=100) if isinstance(org, dict) else root.text("org_id", limit=100)
    return {
        "event_id": root.text(*_ALIASES["id"], limit=200),
        "monitor_id": root.text(*_ALIASES["monitor"], limit=200),
        "alert_type": root.text("alert_type", limit=50),
        "alert_transition": root.text(*_ALIASES["transition"], limit=50),
        "priority": root.text("priority", limit=50),
        "hostname": root.text("hostname", "host", limit=300),
        "snapshot": root.text("snapshot", limit=1000),
        "url": root.text(*_ALIASES["link"], limit=1000),
        "org_id": org_id,
        "tags": tags,
    }
