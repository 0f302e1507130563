"""Splunk alerts: the stock webhook action of Enterprise and Cloud, and Splunk Observability Cloud.

The stock action cannot sign nor send headers, so a token is required: ``?token=`` (the gateway passes it as the header
``X-Splunk-Token``) or that header from a proxy. Observability signs with ``X-SFX-Signature``: base64 HMAC of the body,
SHA-256, or SHA-1 when the setting ``sfx_digest`` says so. Filter ``searches``: unset all, empty none.
Payload: https://docs.splunk.com/Documentation/Splunk/latest/Alert/Webhooks
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.feedback import FeedbackItem
from sources.base import Settings
from sources.errors import Filtered, Malformed, Unauthorized
from sources.reading import Node
from sources.shape import digest, item, repository_in
from sources.signing import admit, allowed, base64_digests, header, matches, secrets_of
from sources.traces import parse_trace


def verify(headers: Mapping[str, str], body: bytes, settings: Settings) -> None:
    """A token is required: without one set for the project nothing is accepted."""
    secrets = secrets_of(settings)
    if not secrets:
        raise Unauthorized("no Splunk token is set for this project: set one with POST /config/splunk/token")
    signature = header(headers, "X-SFX-Signature")
    if signature:
        digest_ = hashlib.sha1 if settings.get("sfx_digest") == "sha1" else hashlib.sha256
        if not matches(signature.strip(), base64_digests(body, secrets, digest_)):
            raise Unauthorized("X-SFX-Signature does not match the token set for this project")
        return
    token = header(headers, "X-Splunk-Token")
    if not token:
        raise Unauthorized("missing token: add ?token=... to the webhook address or send X-Splunk-Token")
    if not matches(token, secrets):
        raise Unauthorized("the Splunk token is not the one set for this project")


def normalise(payload: Any, *, project_id: str, received_at: datetime, settings: Settings) -> list[FeedbackItem]:
    """One report: the first result of the alert, as Splunk sends it."""
    admit(settings, "splunk")
    root = Node(payload).as_object()
    if root.has("incidentId"):
        return [_incident(root, project_id, received_at, settings)]
    search = root.text("search_name", "searchName", limit=500)
    _filter(settings, search)
    result = _flat(root.obj("result"))
    sid = root.text("sid", limit=500)
    if not sid and not result and not search:
        raise Malformed("result", "neither result, sid nor search_name: expected Splunk's webhook alert payload")
    raw = result.text("_raw") or _fields_of(result)
    exception_type, frames = parse_trace(raw)
    part = digest(result.value) if result else ""
    external = ".".join(text for text in (sid, part[:12] if sid else part) if text) or digest(payload)
    return [
        item(
            project_id,
            "splunk",
            external,
            received_at,
            title=f"[Splunk] {search}" if search else raw or "[Splunk] alert",
            body=raw or search,
            raw_text=raw,
            created_at=_when(result),
            level=result.text("level", "log_level", "severity", limit=50).lower(),
            environment=result.text("environment", "env", limit=200),
            release=result.text("version", "release", limit=200),
            user=result.text("user_id", "user", limit=300),
            repo=repository_in(raw),
            exception_type=exception_type,
            frames=frames,
            stacktrace=raw if frames else None,
            metadata=_metadata(root, result, search, sid),
        )
    ]


def _flat(result: Node) -> Node:
    """Splunk writes a field with several values as a list: one text, a value a line."""
    flat = {
        key: "\n".join(str(part) for part in value if isinstance(part, str | int | float))
        if isinstance(value, list)
        else value
        for key, value in result.value.items()
    }
    return Node(flat, result.path)


def _when(result: Node) -> datetime | None:
    """``_time``, if it is a time: a search may write it in any format, and no alert is worth losing for that."""
    try:
        return result.moment("_time")
    except Malformed:
        return None


def _filter(settings: Settings, search: str) -> None:
    searches = allowed(settings, "searches", empty_means_all=False)
    if searches is not None and search not in searches:
        raise Filtered(f"the search {search[:80]!r} is not among the project's Splunk searches")


def _fields_of(result: Node) -> str:
    """A result without ``_raw`` (a statistics search): its fields, one a line."""
    lines = []
    for key, value in list(result.value.items())[:100]:
        if not key.startswith("_") and isinstance(value, str | int | float):
            lines.append(f"{key}: {value}")
    return "\n".join(lines)


def _metadata(root: Node, result: Node, search: str, sid: str) -> dict[str, Any]:
    kept = {key: result.text(key, limit=500) for key in ("host", "source", "sourcetype", "index")}
    about = {key: root.text(key, limit=500) for key in ("app", "owner", "results_link", "server_host")}
    return {**kept, **about, "search_name": search, "sid": sid, "url": about["results_link"]}


def _incident(root: Node, project_id: str, received_at: datetime, settings: Settings) -> FeedbackItem:
    """Splunk Observability: ``incidentId``, ``detector``, ``messageTitle``, ``messageBody``, ``status``."""
    status = root.text("status", "statusExtended", limit=50)
    if status.lower() in {"ok", "stopped", "manually resolved"}:
        raise Filtered("the incident is over: nothing to report")
    detector = root.text("detector", "rule", limit=500)
    _filter(settings, detector)
    return item(
        project_id,
        "splunk",
        f"{root.text('incidentId', limit=300)}.{status or 'open'}",
        received_at,
        title=root.text("messageTitle", limit=1000) or f"[Splunk] {detector or 'incident'}",
        body=root.text("messageBody", "description") or detector,
        created_at=root.moment("timestamp"),
        level=root.text("severity", limit=50).lower(),
        fingerprint=root.text("detectorId", limit=300),
        metadata={"detector": detector, "status": status, "url": root.text("detectorUrl", limit=1000)},
    )
