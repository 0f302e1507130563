"""A project's settings of one source: what is stored, what is shown, what a source's functions get. Mostly pure.

Stored in ``Project.settings[<source>]``: ``enabled``, the filters, and ``sealed``: up to two sealed secrets with their
last four characters, newest first. A secret never leaves here but to ``verify``.
"""

import base64
from typing import Any, Final

import msgspec

from runtime.seal import Sealer, SealError
from schemas.projects import Project

FILTERS: Final[dict[str, tuple[str, ...]]] = {
    "sentry": ("environments", "levels"),
    "splunk": ("searches",),
    "datadog": ("monitors",),
    "posthog": ("event_types", "poll"),
    "github": ("repos",),
    "reddit": ("subreddits",),
    "manual": (),
}
OLD_NAMES: Final = {  # of filters, as the dashboard before this one sends and reads them
    "allowed_environments": "environments",
    "allowed_levels": "levels",
    "allowed_searches": "searches",
    "allowed_monitors": "monitors",
    "events": "event_types",
}
ACTIVE_SECRETS: Final = 2


def filters(source: str) -> tuple[str, ...]:
    """The settings of a source beside its secrets and its switch."""
    return FILTERS.get(source, ())


def stored(project: Project, source: str) -> dict[str, Any]:
    """The settings as stored."""
    found = project.settings.get(source)
    return dict(found) if isinstance(found, dict) else {}


def changed(project: Project, source: str, values: dict[str, Any]) -> Project:
    """The project with some settings of a source replaced."""
    settings = {**project.settings, source: {**stored(project, source), **values}}
    return msgspec.structs.replace(project, settings=settings)


def with_secret(project: Project, source: str, secret: str, sealer: Sealer) -> Project:
    """The project with a new secret; the newest before stays active, so that a rotation loses nothing."""
    sealed = base64.b64encode(sealer.seal(secret.encode(), _aad(project.id, source))).decode()
    last4 = secret[-4:] if len(secret) >= 12 else ""
    before = stored(project, source).get("sealed") or []
    return changed(project, source, {"sealed": [{"sealed": sealed, "last4": last4}, *before][:ACTIVE_SECRETS]})


def opened(project: Project, source: str, sealer: Sealer | None) -> dict[str, Any]:
    """The settings as ``sources`` wants them: secrets in the clear under ``secrets``. Raises SealError."""
    values = stored(project, source)
    sealed = values.pop("sealed", None) or []
    if sealed and sealer is None:
        raise SealError("secrets are stored but SOULCASTER_SECRET_KEY is not set")
    values["secrets"] = [
        sealer.open(base64.b64decode(entry["sealed"]), _aad(project.id, source)).decode() for entry in sealed if sealer
    ]
    values.setdefault("enabled", True)
    return values


def shown(project: Project, source: str) -> dict[str, Any]:
    """The settings as HTTP shows them."""
    values = stored(project, source)
    sealed = values.get("sealed") or []
    secret = {"set": bool(sealed), "last4": (sealed[0]["last4"] or None) if sealed else None, "count": len(sealed)}
    answer: dict[str, Any] = {
        "enabled": values.get("enabled", True),
        "project_id": project.id,
        "secret": secret,
        **{name: values.get(name) for name in filters(source)},
    }
    answer |= {old: answer[new] for old, new in OLD_NAMES.items() if new in answer and old.startswith("allowed_")}
    if source in ("sentry", "datadog"):
        answer["webhook_secret"] = secret
    if source == "splunk":
        answer["webhook_token"] = secret
    return answer


def _aad(project: str, source: str) -> str:
    return f"source:{project}:{source}"
