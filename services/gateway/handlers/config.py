"""Settings of the sources. Secrets go in and are never shown again."""

from collections.abc import Callable
from typing import Any

from schemas import subjects
from schemas.projects import Project
from services.gateway import source_settings
from services.gateway.github import full_name
from services.gateway.problems import Problem, invalid
from services.gateway.shapes import house as shapes
from services.gateway.shapes.base import Ok
from services.gateway.table import Call, Handler, Route
from sources import TABLE

_KNOWN = ("sentry", "splunk", "datadog", "posthog", "github")
WITH_SECRET = (*_KNOWN, *(name for name in TABLE if name not in (*_KNOWN, "reddit", "manual")))
SWITCHED = (*WITH_SECRET, "reddit", "manual")


async def change_project(call: Call, decide: Callable[[Project], Project]) -> Project:
    """Read, decide, compare-and-set, again on a conflict."""
    shelf = call.gateway.directory.projects
    changed = await shelf.state.update(shelf.key(call.project_id), lambda held: decide(held) if held else None)
    if changed is None:
        raise Problem(404, "project_not_found", "Project not found")
    shelf.values[call.project_id] = changed
    return changed


def _source(call: Call) -> str:
    return call.request.path.split("/")[2]


def _ok(call: Call) -> dict[str, str]:
    return {"status": "ok", "project_id": call.project_id}


async def get_source_settings(call: Call) -> dict[str, Any]:
    """Settings of a source; a secret is shown as ``set`` and its last four characters."""
    return source_settings.shown(await call.gateway.project(call.project_id), _source(call))


async def set_source_settings(call: Call) -> dict[str, str]:
    """Settings of a source; those left out stay."""
    body: shapes.SourceSettingsIn = call.body
    source = _source(call)
    given = body.model_dump(exclude_unset=True)
    secret = next(
        (given[name] for name in ("webhook_secret", "webhook_token", "secret", "token") if given.get(name)), None
    )
    for old, new in source_settings.OLD_NAMES.items():
        if old in given:
            given.setdefault(new, given[old])
    if given.get("repos"):
        given["repos"] = _repositories(given["repos"])
    values = {name: given[name] for name in source_settings.filters(source) if name in given}
    if given.get("enabled") is not None:
        values["enabled"] = given["enabled"]
    await change_project(call, lambda project: source_settings.changed(project, source, values))
    if secret:
        await _put_secret(call, source, secret)
    return _ok(call)


def _repositories(given: list[str]) -> list[str]:
    """As ``owner/name``, each once: a repository that is none would be polled by nobody, and nobody would say so."""
    for index, text in enumerate(given):
        if full_name(text) is None:
            raise invalid(f"repos[{index}]", "expected owner/name or https://github.com/owner/name")
    return list(dict.fromkeys(name for text in given if (name := full_name(text))))


async def set_secret(call: Call) -> dict[str, str]:
    """A new secret; the one before keeps working until the next."""
    body: shapes.SecretIn = call.body
    await _put_secret(call, _source(call), body.secret)
    return _ok(call)


async def set_token(call: Call) -> dict[str, str]:
    """A new token; the one before keeps working until the next."""
    body: shapes.TokenIn = call.body
    await _put_secret(call, _source(call), body.token)
    return _ok(call)


async def drop_secrets(call: Call) -> dict[str, str]:
    """Forget all secrets of a source."""
    source = _source(call)
    await change_project(call, lambda project: source_settings.changed(project, source, {"sealed": []}))
    return _ok(call)


async def _put_secret(call: Call, source: str, secret: str) -> None:
    sealer = call.gateway.sealing()
    await change_project(call, lambda project: source_settings.with_secret(project, source, secret, sealer))


async def set_filter(call: Call) -> dict[str, str]:
    """Which of a source's reports are taken in."""
    source, name = call.request.path.split("/")[2:4]
    given = call.body.model_dump(exclude_unset=True)
    field = "event_types" if name == "events" else name
    if field not in given and name not in given:
        raise invalid(field, "is required")
    values = {field: given.get(field, given.get(name))}
    await change_project(call, lambda project: source_settings.changed(project, source, values))
    return _ok(call)


async def get_enabled(call: Call) -> dict[str, bool]:
    """Whether reports of a source are taken in."""
    source = _switched(call)
    settings = source_settings.stored(await call.gateway.project(call.project_id), source)
    return {"enabled": bool(settings.get("enabled", True))}


async def set_enabled(call: Call) -> dict[str, str]:
    """Switch a source on or off; off answers ``filtered``."""
    body: shapes.EnabledIn = call.body
    source, enabled = _switched(call), body.enabled
    await change_project(call, lambda project: source_settings.changed(project, source, {"enabled": enabled}))
    return _ok(call)


def _switched(call: Call) -> str:
    source = call.path("integration")
    if source not in SWITCHED:
        raise Problem(400, "unknown_integration", f"{source} is none of {', '.join(SWITCHED)}.")
    return source


async def get_subreddits(call: Call) -> dict[str, Any]:
    """Subreddits polled."""
    settings = source_settings.stored(await call.gateway.project(call.project_id), "reddit")
    return {"subreddits": settings.get("subreddits") or [], "project_id": call.project_id}


async def set_subreddits(call: Call) -> dict[str, Any]:
    """Subreddits to poll: trimmed, without ``r/``, lower case, each once, order kept."""
    body: shapes.SubredditsIn = call.body
    names = [name.strip().removeprefix("/").removeprefix("r/").strip("/").lower() for name in body.subreddits]
    for index, name in enumerate(names):
        if name and (len(name) > 50 or not subjects.TOKEN.match(name)):
            raise invalid(f"subreddits[{index}]", "is not a subreddit's name")
    kept = list(dict.fromkeys(name for name in names if name))
    if not kept:
        raise Problem(400, "empty", "subreddits must name at least one")
    await change_project(call, lambda project: source_settings.changed(project, "reddit", {"subreddits": kept}))
    return {"subreddits": kept, "project_id": call.project_id}


def _line(method: str, path: str, handler: Handler, summary: str, body: Any = None, answer: Any = Ok) -> Route:
    return Route(
        method=method,
        path=path,
        handler=handler,
        summary=summary,
        tag="config",
        role="admin" if method != "GET" else "viewer",
        body=body,
        answer=answer,
        also=(404, 503) if body is not None else (404,),
    )


def _lines_of(source: str) -> list[Route]:
    base = f"/config/{source}"
    return [
        _line("GET", base, get_source_settings, f"Settings of {source}", answer=shapes.SourceSettings),
        _line("POST", base, set_source_settings, f"Change settings of {source}", shapes.SourceSettingsIn),
        _line("POST", f"{base}/secret", set_secret, f"Set the secret of {source}", shapes.SecretIn),
        _line("POST", f"{base}/token", set_token, f"Set the token of {source}", shapes.TokenIn),
        _line("DELETE", f"{base}/secret", drop_secrets, f"Forget the secrets of {source}"),
    ]


ROUTES = (
    _line("GET", "/config/reddit/subreddits", get_subreddits, "Subreddits polled", answer=shapes.Subreddits),
    _line("POST", "/config/reddit/subreddits", set_subreddits, "Set them", shapes.SubredditsIn, shapes.Subreddits),
    _line("GET", "/config/{integration}/enabled", get_enabled, "Whether a source is on", answer=shapes.Enabled),
    _line("POST", "/config/{integration}/enabled", set_enabled, "Switch a source on or off", shapes.EnabledIn),
    *(line for source in WITH_SECRET for line in _lines_of(source)),
    _line("POST", "/config/sentry/environments", set_filter, "Environments to take in", shapes.EnvironmentsIn),
    _line("POST", "/config/sentry/levels", set_filter, "Levels to take in", shapes.LevelsIn),
    _line("POST", "/config/splunk/searches", set_filter, "Searches to take in", shapes.SearchesIn),
    _line("POST", "/config/datadog/monitors", set_filter, "Monitors to take in", shapes.MonitorsIn),
    _line("POST", "/config/posthog/events", set_filter, "Event types to take in", shapes.EventsIn),
)
