"""PostHog: action webhooks ``{hook, data}``, the HTTP destination ``{event: {...}, person}``, and events from its API.

PostHog signs nothing: the proof is a secret custom header (``X-Soulcaster-Secret`` or ``X-PostHog-Secret``). Filter
``event_types`` (unset or empty: all). Exceptions: the properties ``$exception_list`` (current) or
``$exception_message``, ``$exception_stack_trace_raw`` (older): https://posthog.com/docs/error-tracking
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from schemas.feedback import FeedbackItem, Frame
from sources.base import Settings
from sources.errors import Filtered, Malformed
from sources.reading import Node
from sources.shape import digest, item
from sources.signing import admit, allowed, require_secret
from sources.traces import parse_trace, write_frames


def verify(headers: Mapping[str, str], body: bytes, settings: Settings) -> None:
    """A secret header, when the project has set a secret."""
    require_secret(headers, settings, "X-Soulcaster-Secret", "X-PostHog-Secret")


def normalise(payload: Any, *, project_id: str, received_at: datetime, settings: Settings) -> list[FeedbackItem]:
    """One report."""
    admit(settings, "posthog")
    event = _event(Node(payload).as_object())
    name = event.text("event", limit=300)
    if not name:
        raise Malformed(f"{event.path or 'data'}.event", "the name of the event is missing")
    wanted = allowed(settings, "event_types", empty_means_all=True)
    if wanted is not None and name not in wanted:
        raise Filtered(f"the event {name!r} is not among the project's PostHog events")
    properties = event.obj("properties")
    user = event.text("distinct_id", limit=500) or properties.text("distinct_id", limit=500)
    stamp = event.text("timestamp", limit=100)
    known = event.text("uuid", limit=200) or (f"{user}-{stamp}" if user and stamp else "")
    fields = _what(name, properties)
    fields["metadata"] |= {"event": name, "uuid": event.text("uuid", limit=200)}
    external = known or digest(event.value)
    created = event.moment("timestamp")
    return [item(project_id, "posthog", external, received_at, created_at=created, user=user, **fields)]


def _event(root: Node) -> Node:
    if root.has("data"):
        data = root.obj("data")
        return data.obj("event") if isinstance(data.value.get("event"), dict) else data
    return root.obj("event") if isinstance(root.value.get("event"), dict) else root


def _what(name: str, properties: Node) -> dict[str, Any]:
    chain = [node.as_object() for node in properties.items("$exception_list", 20) if node.value is not None]
    first = chain[0] if chain else Node({}, "properties.$exception_list")
    type_ = first.text("type", limit=300) or properties.text("$exception_type", limit=300)
    said = first.text("value", limit=4000) or properties.text("$exception_message", "message", "$message", limit=4000)
    frames = [frame for entry in chain for frame in _frames(entry)]
    trace = write_frames(frames)
    if not frames:
        trace = _raw_trace(properties)
        found, frames = parse_trace(trace)
        type_ = type_ or found or ""
    heading = f"{type_}: {said}" if type_ and said and type_ not in said else said or type_
    page = properties.text("$current_url", limit=1000)
    system = " ".join(filter(None, [properties.text("$browser", limit=100), properties.text("$os", limit=100)]))
    lines = [heading, f"Page: {page}" if page else "", f"Browser: {system}" if system else "", trace]
    comment = properties.text("$survey_response", "feedback", "comment", limit=8000)
    return {
        "title": heading or comment or f"PostHog: {name}",
        "body": "\n".join(line for line in [comment, *lines] if line) or name,
        "raw_text": heading or comment,
        "frames": frames,
        "stacktrace": trace or None,
        "exception_type": type_ or None,
        "fingerprint": properties.text("$exception_issue_id", "$exception_fingerprint", limit=300),
        "level": (properties.text("$exception_level", "$level", limit=50) or ("error" if heading else "")).lower(),
        "environment": properties.text("environment", "$environment", limit=200),
        "release": properties.text("$app_version", "release", "$release", limit=200),
        "metadata": {
            "url": page,
            "session_id": properties.text("$session_id", limit=200),
            "browser": properties.text("$browser", limit=100),
            "os": properties.text("$os", limit=100),
            "library": properties.text("$lib", limit=100),
        },
    }


def _frames(exception: Node) -> list[Frame]:
    nodes = exception.obj("stacktrace").items("frames", 300)
    return [_frame(node.as_object()) for node in nodes if node.value is not None]


def _frame(node: Node) -> Frame:
    return Frame(
        file=node.text("source", "filename", "abs_path", limit=300),
        function=node.text("resolved_name", "function", "mangled_name", limit=200),
        line=node.number("line") if node.has("line") else node.number("lineno"),
        module=node.text("module", limit=200),
        in_app=node.flag("in_app"),
        code=node.text("context_line", limit=200),
    )


def _raw_trace(properties: Node) -> str:
    """The older property: a trace as text, or a JSON list of frames written as text."""
    text = properties.text("$exception_stack_trace_raw", "$exception_stack_trace", "stack")
    if not text.startswith("["):
        return text
    try:
        frames = msgspec.json.decode(text, type=list[dict[str, Any]])
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return text
    read = [_frame(Node(frame, f"$exception_stack_trace_raw[{index}]")) for index, frame in enumerate(frames[:100])]
    return "\n".join(f"  at {frame.function or '?'} ({frame.file}:{frame.line or 0}:0)" for frame in read)
