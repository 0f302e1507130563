"""From what a source said to a FeedbackItem that fits: clean texts, bounded sizes, a derived id."""

import hashlib
import json
import re
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from runtime.ids import derived
from schemas.base import encode
from schemas.feedback import FeedbackItem, Frame
from sources.errors import Malformed
from sources.reading import MAX_DEPTH, check_depth, clean

TITLE: Final = 300
TEXT: Final = 65536
METADATA: Final = 32768  # bytes of JSON
FRAMES: Final = 100
MESSAGE: Final = 900_000  # bytes of JSON; the broker's limit is 1 MiB with headers
_REPOSITORY: Final = re.compile(
    r"(?:https?://|git@|\b)github\.com[/:]([A-Za-z0-9][\w-]{0,38})/([\w.-]{1,100})", re.ASCII
)
_NOT_OWNERS: Final = frozenset(
    {"orgs", "settings", "features", "marketplace", "sponsors", "user-attachments", "assets"}
)


def item(project_id: str, source: str, external_id: str, received_at: datetime, **fields: Any) -> FeedbackItem:
    """Build the item; ``fields`` are FeedbackItem's. Texts are cut to their limits, dates from the future to now."""
    external = clean(external_id, 1000).strip()
    if not external:
        raise Malformed("external_id", "the report has no id of its own")
    if len(external) > 200:
        external = external[:100] + hashlib.sha256(external.encode()).hexdigest()
    created = fields.pop("created_at", None) or received_at
    fields["title"] = one_line(fields.get("title") or "") or "(no title)"
    for name in ("body", "raw_text", "stacktrace"):
        if fields.get(name):
            fields[name] = clean(fields[name], TEXT)
    fields["metadata"] = _metadata(fields.get("metadata") or {})
    fields["frames"] = [_fit_frame(frame) for frame in (fields.get("frames") or [])[-FRAMES:]]
    fields["user"] = derived("user", project_id, fields["user"]) if fields.get("user") else None
    for name in ("fingerprint", "exception_type", "level", "environment", "release"):
        fields[name] = clean(fields[name], 300).strip() or None if fields.get(name) else None
    return _fit(
        {
            **fields,
            "id": derived("feedback", project_id, source, external),
            "project_id": project_id,
            "source": source,
            "external_id": external,
            "created_at": received_at if created > received_at + timedelta(days=1) else created,
            "received_at": received_at,
        }
    )


def one_line(text: str, limit: int = TITLE) -> str:
    """The text on one line, cut at ``limit`` with an ellipsis."""
    flat = " ".join(clean(text, 4 * limit).split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def digest(value: Any) -> str:
    """A short stable hash of a JSON value, for sources that send no id."""
    check_depth(value)
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:24]


def repository_in(*texts: str) -> str | None:
    """``owner/name`` of the first GitHub repository linked in the texts."""
    for text in texts:
        for match in _REPOSITORY.finditer(text[:TEXT]):
            owner, name = match[1], match[2].removesuffix(".git").rstrip(".")
            if owner.lower() not in _NOT_OWNERS and name:
                return f"{owner}/{name}"
    return None


def repository_url(repo: str | None) -> str | None:
    """The GitHub address of ``owner/name``."""
    return f"https://github.com/{repo}" if repo else None


def _metadata(value: dict[str, Any]) -> dict[str, Any]:
    check_depth(value, MAX_DEPTH)
    cleaned = _clean_value({key: entry for key, entry in value.items() if entry not in (None, "", [], {})}, 6)
    if len(encode(cleaned)) <= METADATA:
        return dict(cleaned)
    kept: dict[str, Any] = {}
    room = METADATA
    for key, entry in cleaned.items():
        size = len(encode(entry)) + len(encode(key))
        if size <= min(room, METADATA // 4):
            kept[key], room = entry, room - size
    return {**kept, "shortened": True}


def _clean_value(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return clean(value, 8192)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return str(value)[:100]
    if isinstance(value, dict):
        entries = list(value.items())[:200] if depth else []
        return {clean(str(key), 200): _clean_value(entry, depth - 1) for key, entry in entries}
    if isinstance(value, list | tuple):
        return [_clean_value(entry, depth - 1) for entry in value[:200]] if depth else []
    return value


def _fit_frame(frame: Frame) -> Frame:
    return msgspec.structs.replace(
        frame,
        file=clean(frame.file, 300),
        function=clean(frame.function, 200),
        module=clean(frame.module, 200),
        code=clean(frame.code, 200),
    )


def _fit(fields: dict[str, Any]) -> FeedbackItem:
    built = FeedbackItem(**fields)
    if len(encode(built)) <= MESSAGE:
        return built
    short = {**fields, "raw_text": "", "frames": fields["frames"][-30:], "body": fields.get("body", "")[:32768]}
    short["stacktrace"] = (fields.get("stacktrace") or "")[-32768:] or None
    return FeedbackItem(**short)
