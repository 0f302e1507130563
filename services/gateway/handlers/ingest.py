"""Reports coming in, from people and from the tools a team uses."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from runtime import ids
from schemas.projects import Project
from services.gateway import follow_ups, idempotency, intake, pull_events, reading
from services.gateway.dispatch import authorise_in
from services.gateway.intake import Taken
from services.gateway.problems import Problem, invalid
from services.gateway.shapes.feedback import Ingested, ManualReport, RedditItem
from services.gateway.table import Call, Handler, Route
from sources import TABLE, Unauthorized

GITHUB_LIMIT = 25 * reading.MIB


async def ingest_manual(call: Call) -> dict[str, Any]:
    """A report typed by a person. Each one is a report of its own, unless an Idempotency-Key says otherwise."""
    body: ManualReport = call.body
    payload: dict[str, Any] = body.model_dump(exclude_none=True)
    key = call.request.headers.get("Idempotency-Key")
    payload["external_id"] = ids.derived("manual", call.project_id, idempotency.check_key(key)) if key else ids.new_id()
    return await _take(call, "manual", payload)


async def ingest_reddit(call: Call) -> dict[str, Any]:
    """A Reddit post."""
    body: RedditItem = call.body
    payload = body.model_dump(mode="json", exclude_none=True)
    if "external_id" not in payload and "id" not in payload:
        raise invalid("external_id", "is required (Reddit's id of the post)")
    return await _take(call, "reddit", payload)


async def ingest_sentry(call: Call) -> dict[str, Any]:
    """Sentry's issue, event and error webhooks."""
    return await _webhook(call, "sentry")


async def ingest_splunk(call: Call) -> dict[str, Any]:
    """Splunk's alert webhook; its stock action sends no headers, so the token may be a query parameter."""
    return await _webhook(call, "splunk")


async def ingest_datadog(call: Call) -> dict[str, Any]:
    """Datadog's webhook."""
    return await _webhook(call, "datadog")


async def ingest_posthog(call: Call) -> dict[str, Any]:
    """PostHog's webhook."""
    return await _webhook(call, "posthog")


async def ingest_github(call: Call) -> dict[str, Any]:
    """GitHub's issues and issue comments; pull requests of ours, their reviews and checks."""
    return await _webhook(call, "github")


async def _webhook(call: Call, source: str) -> dict[str, Any]:
    project = await call.gateway.project(call.project_id)
    settings = intake.settings_of(call.gateway, project, source)
    headers = _headers(call, source)
    try:
        TABLE[source].verify(headers, call.raw, settings)
    except Unauthorized as why:
        raise Problem(401, "bad_signature", why.reason) from why
    if not settings["secrets"]:
        _needs_key(call, source)
    intake.limit_rate(call.gateway, call.project_id, source)  # after the proof: forgeries must not use up the limit
    event = call.request.headers.get("X-GitHub-Event", "")
    if source == "github" and event in pull_events.EVENTS:
        return _answer(call, await _pull_request(call, project, event))
    taken = await intake.take(call.gateway, project, source, call.body, settings, _delivery(call, source))
    return _answer(call, taken)


def _delivery(call: Call, source: str) -> str:
    header = {"github": "X-GitHub-Delivery", "sentry": "Request-ID"}.get(source, "")
    return call.request.headers.get(header, "")[:100] if header else ""


async def _pull_request(call: Call, project: Project, event: str) -> Taken:
    """An event that may start work; GitHub's signature vouches for it, as for all that comes here."""
    delivery = call.request.headers.get("X-GitHub-Delivery", "")[:100] or ids.derived("delivery", call.raw.decode())
    return await follow_ups.take(call.gateway, project, event, call.body, delivery)


def _headers(call: Call, source: str) -> Mapping[str, str]:
    headers = call.request.headers.copy()
    token = call.request.query.get("token")
    if source == "splunk" and token:
        headers["X-Splunk-Token"] = token
    return headers


def _needs_key(call: Call, source: str) -> None:
    """Without a secret of its own a source is believed only with an API key."""
    if call.principal is None:
        raise Problem(
            401,
            "no_secret",
            f"No secret is set for {source} in this project. Set one with POST /config/{source}/secret, or send an "
            "API key that may ingest.",
        )
    authorise_in(call, call.project_id)


async def _take(call: Call, source: str, payload: Any) -> dict[str, Any]:
    intake.limit_rate(call.gateway, call.project_id, source)
    project = await call.gateway.project(call.project_id)
    settings = intake.settings_of(call.gateway, project, source)
    return _answer(call, await intake.take(call.gateway, project, source, payload, settings))


def _answer(call: Call, taken: Taken) -> dict[str, Any]:
    answer: dict[str, Any] = {"status": taken.outcome, "id": taken.id, "project_id": call.project_id}
    if taken.message is not None:
        answer["message"] = taken.message
    return answer


def _hook(path: str, handler: Handler, summary: str, limit: int = reading.MIB) -> Route:
    return Route(
        method="POST",
        path=path,
        handler=handler,
        summary=summary,
        tag="ingest",
        role="ingest",
        signed=True,
        raw_body=True,
        answer=Ingested,
        also=(404, 413, 429, 503),
        limit=limit,
    )


def hooks(names: Iterable[str]) -> list[Route]:
    """Webhooks of sources that need nothing of their own: ``/ingest/<name>/webhook``."""
    return [_hook(f"/ingest/{name}/webhook", _handler_of(name), f"Webhook of {name}") for name in names]


def _handler_of(source: str) -> Handler:
    async def ingest(call: Call) -> dict[str, Any]:
        """A source's webhook."""
        return await _webhook(call, source)

    ingest.__name__ = f"ingest_{source}"  # the operation's id
    return ingest


SERVED: Final = ("manual", "reddit", "sentry", "splunk", "datadog", "posthog", "github")  # by the lines below
ROUTES = (
    Route(
        method="POST",
        path="/ingest/manual",
        handler=ingest_manual,
        summary="Report something by hand",
        tag="ingest",
        role="ingest",
        body=ManualReport,
        starts_work=True,
        answer=Ingested,
        also=(404, 413, 429, 503),
    ),
    Route(
        method="POST",
        path="/ingest/reddit",
        handler=ingest_reddit,
        summary="Report a Reddit post",
        tag="ingest",
        role="ingest",
        body=RedditItem,
        starts_work=True,
        answer=Ingested,
        also=(404, 413, 429, 503),
    ),
    _hook("/ingest/sentry", ingest_sentry, "Webhook of Sentry"),
    _hook("/ingest/splunk/webhook", ingest_splunk, "Webhook of Splunk"),
    _hook("/ingest/datadog/webhook", ingest_datadog, "Webhook of Datadog"),
    _hook("/ingest/posthog/webhook", ingest_posthog, "Webhook of PostHog"),
    _hook(
        "/ingest/github/webhook",
        ingest_github,
        "Webhook of GitHub: issues, comments, pull requests of ours",
        GITHUB_LIMIT,
    ),
    *hooks(name for name in TABLE if name not in SERVED),
)
